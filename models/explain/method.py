"""The interface of explanation methods, and what they find.

A method sees the slices, the features that the classifier made of them, and the classifier itself.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray

Doubles = npt.NDArray[np.float64]


class Readout(NamedTuple):
    """How a linear head scores an exam.

    `logits = sum over s, c of credit[s, c] * mean over space of (features - offset)[s, c] * kernel[c] + bias`

    offset: `[C]`, subtracted from the features of each cell. credit: `[S, C]`, how much of a channel's pooled value
    each slice gave. kernel: `[C, K]`. bias: `[K]`.
    """

    offset: FloatArray | None
    credit: Doubles
    kernel: FloatArray
    bias: FloatArray


class Explainable(Protocol):
    """What a method may ask a classifier. Features are float32 `[S, h, w, C]` of one exam."""

    def features(self, slices: FloatArray) -> FloatArray:
        """The forward pass: slices float32 `[S, H, W]` -> features."""

    def logits(self, features: FloatArray) -> FloatArray:
        """Scores float32 `[K]`, before any softmax."""

    def readout(self, features: FloatArray) -> Readout:
        """The linear head. Raises ValueError if the head isn't linear."""

    def slopes(self, features: FloatArray) -> FloatArray:
        """Derivatives of the logits by the features' mean over space: float32 `[K, S, C]`."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where each logit comes from.

    logits: float32 `[K]`. maps: float32 `[K, S, h, w]`, each cell's share. bias: float32 `[K]`.
    method: what made the maps. If it is exact, `maps.sum((1, 2, 3)) + bias` equals `logits`.
    """

    logits: FloatArray
    maps: FloatArray
    bias: FloatArray
    method: "Method"


class Method(Protocol):
    """An explanation method.

    name: as answers have it. exact: the promise that maps and bias add up to the logits.
    """

    name: str
    exact: bool

    def explain(self, classifier: Explainable, slices: FloatArray, features: FloatArray) -> Explanation:
        """Explain all logits of one exam.

        Args:
            classifier: the classifier to ask.
            slices: float32 `[S, H, W]` in 0..1, as the recipe makes them.
            features: float32 `[S, h, w, C]`, what `classifier.features` made of them.

        Raises:
            ValueError: for a classifier that this method can't explain.
        """
