"""The one interface that every route has: slices in, logits out, and an explanation from the same forward pass."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from data_prep.labels import LabelScheme
from data_prep.preprocess import Recipe
from data_prep.volume import FloatArray


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where each logit comes from.

    logits: `[K]`; maps: `[K, S, h, w]`, each cell's share; bias: `[K]`.
    exact: the promise that `maps.sum((1, 2, 3)) + bias` equals `logits`; method: "cam" where exact.
    """

    logits: FloatArray
    maps: FloatArray
    bias: FloatArray
    exact: bool
    method: str


class ExamClassifier(Protocol):
    """One route: a trunk makes a grid of features of each slice; scores and maps are made from the grid.

    Slices are float32 `[S, H, W]` in 0..1, as the recipe makes them, any number of them.
    """

    scheme: LabelScheme

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        """The same network again, untrained, from what a bundle's manifest says of it."""

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON values."""

    def grid_span(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where the grid of features, and so of maps, lies on a slice: fractions of its rows and of its columns."""

    def features(self, slices: FloatArray) -> FloatArray:
        """The forward pass, all that is expensive: `[S, H, W]` -> `[S, h, w, C]`."""

    def logits(self, features: FloatArray) -> FloatArray:
        """Scores `[K]`, before any softmax."""

    def explain(self, features: FloatArray) -> Explanation:
        """Scores and maps, from the same features."""

    def save(self, folder: Path) -> None:
        """Write the weights, and nothing but weights, into a folder."""

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
