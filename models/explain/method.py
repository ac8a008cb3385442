"""The interface of explanation methods, and their result.

A method gets the slices, the features that the classifier made from them, and the classifier itself.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray

Doubles = npt.NDArray[np.float64]


class Readout(NamedTuple):
    """How a linear head makes the logits of an exam.

    `logits = sum over s, c of credit[s, c] * mean over space of (features - offset)[s, c] * kernel[c] + bias`

    Attributes:
        offset: `[C]`, subtracted from the features of each cell; None for 0.
        credit: `[S, C]`, the share of each slice in a channel's pooled value.
        kernel: `[C, K]`.
        bias: `[K]`.
    """

    offset: FloatArray | None
    credit: Doubles
    kernel: FloatArray
    bias: FloatArray


class Explainable(Protocol):
    """What an explanation method needs from a classifier. Features are float32 `[S, h, w, C]` of one exam."""

    def features(self, slices: FloatArray) -> FloatArray:
        """The forward pass: slices float32 `[S, H, W]` -> features."""

    def logits(self, features: FloatArray) -> FloatArray:
        """Logits float32 `[K]`, before any softmax."""

    def readout(self, features: FloatArray) -> Readout:
        """The linear head. Raises ValueError if the head isn't linear."""

    def slopes(self, features: FloatArray) -> FloatArray:
        """Derivatives of the logits by the features' mean over space: float32 `[K, S, C]`."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where each logit comes from.

    Attributes:
        logits: Float32 `[K]`.
        maps: Float32 `[K, S, h, w]`, each cell's share.
        bias: Float32 `[K]`.
        method: The method that made the maps. If it is exact, `maps.sum((1, 2, 3)) + bias` equals `logits`.
    """

    logits: FloatArray
    maps: FloatArray
    bias: FloatArray
    method: "Method"


class Method(Protocol):
    """An explanation method.

    Attributes:
        name: Its name in answers.
        exact: Whether maps and bias add up to the logits.
    """

    name: str
    exact: bool

    def explain(self, classifier: Explainable, slices: FloatArray, features: FloatArray) -> Explanation:
        """Explain all logits of one exam.

        Args:
            classifier: The classifier that made the features.
            slices: Float32 `[S, H, W]` in 0..1, as the recipe makes them.
            features: Float32 `[S, h, w, C]`, the result of `classifier.features`.

        Raises:
            ValueError: For a classifier that this method can't explain.
        """
