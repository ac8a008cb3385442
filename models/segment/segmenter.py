"""A segmenter: a trained network with all that a mask needs, from source voxels to labels in source voxels."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from data_prep.network_input.crop import Spacing
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray
from models.segment.networks.architecture import Architecture
from models.segment.plausible import Plausible
from models.segment.recipe import SegmentRecipe


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a network says of a volume.

    Attributes:
        probabilities: Float32 `[K, s, h, w]` of K structures, without the background.
        footprint: Where it lies in the volume.
    """

    probabilities: FloatArray
    footprint: Footprint


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained network.

    Attributes:
        architecture: How the network is built.
        recipe: How its input is made.
        structures: The names of its classes from 1 on; 0 is the background.
        network: Logits `[B, (S,) H, W, classes]`.
        threshold: The probability from which on a voxel belongs to a structure.
        plausible: The shapes of the ligament seen in training; None if the network doesn't know the ligament.
        provenance: `trained_on`, `trained_at`, `exams`, `seed`, `commit`, `command`, as in a bundle of a classifier.
        metrics: The content of `metrics.json`.
        train_toml: The preset, as text.
        sha256: Digest of the bundle's manifest; "" before it is saved.
    """

    architecture: Architecture
    recipe: SegmentRecipe
    structures: tuple[str, ...]
    network: keras.Model
    threshold: float = 0.5
    plausible: Plausible | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    train_toml: str = ""
    sha256: str = ""

    def probabilities(self, voxels: FloatArray, spacing_mm: Spacing | None) -> Segmented:
        """The network's probabilities for a volume `[S, R, C]`; spacing_mm is None if it isn't known."""
        raise NotImplementedError

    def labels(self, voxels: FloatArray, spacing_mm: Spacing | None) -> npt.NDArray[np.uint8]:
        """Cleaned labels `[S, R, C]`: 0 for the background, 1 + the index into `structures`."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write the bundle; one that is there is replaced."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load and check a bundle. Raises BundleError if it can't be used."""
        raise NotImplementedError
