"""The one interface that every route has: slices in, logits out, and an explanation from the same forward pass."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray
from models.explain.method import Explanation, Method
from models.routes.network import Head
from models.trunks import Trunk

SlicePooling = Literal["mean", "max"]
Kernel = Literal["linear", "rbf"]
Span = tuple[float, float]


@dataclass(frozen=True)
class Parts:
    """What a preset says of a classifier. A route takes the parts that it has.

    head: None for the route's default. dropout: before the head. pooling, kernel: of a support vector machine.
    """

    trunk: Trunk
    head: Head | None = None
    dropout: float = 0.0
    pooling: SlicePooling = "mean"
    kernel: Kernel = "linear"


class ExamClassifier(Protocol):
    """A trunk makes a grid of features of each slice; scores and maps are made from the grid.

    Slices are float32 `[S, H, W]` in 0..1, as the recipe makes them, any number of them.
    """

    scheme: LabelScheme

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        """The same network again, untrained, from what a bundle's manifest says of it."""

    def architecture(self) -> dict[str, Any]:
        """What `from_architecture` needs, as plain JSON values."""

    def grid_span(self) -> tuple[Span, Span]:
        """Where the grid of features, and so of maps, lies on a slice: fractions of its rows and of its columns."""

    def features(self, slices: FloatArray) -> FloatArray:
        """The forward pass, all that is expensive: `[S, H, W]` -> `[S, h, w, C]`."""

    def logits(self, features: FloatArray) -> FloatArray:
        """Scores `[K]`, before any softmax."""

    def explain(self, slices: FloatArray, features: FloatArray, method: Method | None = None) -> Explanation:
        """Scores and maps, from the same features. method: the route's own if None (CAM if exact maps exist)."""

    def save(self, folder: Path) -> None:
        """Write the weights, and nothing but weights, into a folder."""

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""


class TrainableClassifier(ExamClassifier, Protocol):
    """A route that a preset can ask for.

    tables: the optional tables of a preset that the route reads. learns: how it is trained, `network` by gradient
    descent on the attribute `network`, `machine` by fitting a machine to cached features of a frozen trunk.
    """

    tables: ClassVar[frozenset[str]]
    learns: ClassVar[Literal["network", "machine"]]

    @classmethod
    def untrained(cls, parts: Parts, scheme: LabelScheme, recipe: Recipe) -> Self:
        """A classifier of these parts, with random weights."""

    def load_pretrained(self) -> None:
        """Give the trunk the weights that it starts from."""
