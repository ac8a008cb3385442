"""The interface of every route: from slices to logits, and an explanation from the same forward pass."""

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
    """A preset's description of a classifier. A route uses the parts that it has.

    Attributes:
        trunk: The trunk.
        head: The head; None for the route's default.
        dropout: Dropout before the head.
        pooling: Pooling over slices before a support vector machine.
        kernel: The support vector machine's kernel.
    """

    trunk: Trunk
    head: Head | None = None
    dropout: float = 0.0
    pooling: SlicePooling = "mean"
    kernel: Kernel = "linear"


class ExamClassifier(Protocol):
    """A classifier of exams. A trunk makes a grid of features from each slice; logits and maps are made from the grid.

    Slices are float32 `[S, H, W]` in 0..1, as the recipe makes them. There may be any number of them.
    """

    scheme: LabelScheme

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        """An untrained network of the architecture in a bundle's manifest."""

    def architecture(self) -> dict[str, Any]:
        """The argument of `from_architecture`, as plain JSON values."""

    def grid_span(self) -> tuple[Span, Span]:
        """Where the grid of features, and of maps, lies on a slice: as fractions of its rows and of its columns."""

    def features(self, slices: FloatArray) -> FloatArray:
        """The forward pass of the trunk, which takes most of the time: `[S, H, W]` -> `[S, h, w, C]`."""

    def logits(self, features: FloatArray) -> FloatArray:
        """Logits float32 `[K]`, before any softmax."""

    def explain(self, slices: FloatArray, features: FloatArray, method: Method | None = None) -> Explanation:
        """Logits and maps from the same features.

        Args:
            slices: Float32 `[S, H, W]` in 0..1.
            features: The result of `features` for these slices.
            method: The explanation method; None for the route's own (CAM if exact maps exist).
        """

    def save(self, folder: Path) -> None:
        """Write the weights, and nothing else, into a folder."""

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""


class TrainableClassifier(ExamClassifier, Protocol):
    """A route that a preset can use.

    Attributes:
        tables: The optional tables of a preset that the route reads.
        learns: How it is trained: "network" by gradient descent on the attribute `network`, "machine" by fitting a
            support vector machine to cached features of a frozen trunk.
    """

    tables: ClassVar[frozenset[str]]
    learns: ClassVar[Literal["network", "machine"]]

    @classmethod
    def untrained(cls, parts: Parts, scheme: LabelScheme, recipe: Recipe) -> Self:
        """A classifier of these parts, with random weights."""

    def load_pretrained(self) -> None:
        """Load the weights that the trunk starts from."""
