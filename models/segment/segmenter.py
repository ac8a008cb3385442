"""A segmenter: a trained network with all that a mask needs, from source voxels to labels in source voxels."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from data_prep.network_input.crop import Spacing
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray
from models.memory import memory_errors
from models.segment.cleaning import ONE_PIECE, cleaned
from models.segment.networks.architecture import Architecture
from models.segment.plausible import Plausible
from models.segment.recipe import SegmentRecipe, inputs
from models.segment.windows import logits

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a network says of a volume.

    Attributes:
        probabilities: Float32 `[K, s, h, w]` of K structures, without the background.
        footprint: Where it lies in the volume.
    """

    probabilities: FloatArray
    footprint: Footprint

    def plane(self, index: int) -> FloatArray:
        """The probabilities in one slice of the volume, in its own pixels, float32 `[K, R, C]`; 0 outside the block."""
        (first, stop), (_, rows, columns) = self.footprint.slices, self.footprint.volume_shape
        plane = np.zeros((len(self.probabilities), rows, columns), np.float32)
        if not first <= index < stop:
            return plane
        top, left = int(self.footprint.rows[0]), int(self.footprint.columns[0])
        _, height, width = self.footprint.shape
        inside = np.s_[max(top, 0) : top + height, max(left, 0) : left + width]
        for one, grid in zip(plane, self.probabilities[:, index - first], strict=True):
            whole = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
            shown = one[inside]
            shown[:] = whole[max(-top, 0) :, max(-left, 0) :][: shown.shape[0], : shown.shape[1]]
        return plane


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained network. `models/segment/bundle.py` writes and reads it.

    Attributes:
        architecture: How the network is built.
        recipe: How its input is made.
        structures: The names of its classes from 1 on; 0 is the background.
        network: Logits `[B, (S,) H, W, classes]`.
        threshold: The probability from which on a voxel belongs to a structure.
        plausible: The shapes of the ligament seen in training; None if they aren't known.
        provenance: `trained_on`, `trained_at`, `exams`, `seed`, `commit`, `command`, as in a bundle of a classifier.
        metrics: The content of `metrics.json`.
        train_toml: The preset, as text.

    Raises:
        ValueError: If these don't fit each other.
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

    def __post_init__(self) -> None:
        if self.architecture.classes != 1 + len(self.structures):
            classes, names = self.architecture.classes, ", ".join(self.structures)
            raise ValueError(f"a network of {classes} classes (background included) can't know {names}")
        if self.architecture.channels != self.recipe.channels:
            channels, made = self.architecture.channels, self.recipe.channels
            raise ValueError(f"the network has {channels} input channels, but its recipe makes {made}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"the threshold must be between 0 and 1, not {self.threshold}")
        self.architecture.check_size(self.recipe.recipe.size)

    @cached_property
    def sha256(self) -> str:
        """Digest of everything that its answers depend on; the same after saving and loading."""
        sha = hashlib.sha256(repr((self.architecture, self.recipe, self.structures, self.threshold)).encode())
        for weight in self.network.get_weights():
            sha.update(np.ascontiguousarray(weight).data)
        return sha.hexdigest()

    def probabilities(self, voxels: FloatArray, spacing_mm: Spacing | None) -> Segmented:
        """The network's probabilities, on its own grid.

        Args:
            voxels: Float32 `[S, R, C]`.
            spacing_mm: Distance between neighbouring slices, rows and columns; None if the pixel size isn't known.

        Raises:
            UnsuitableStudy: The network's input would have too many pixels.
            MemoryError: The device has too little memory now.
        """
        given, footprint = inputs(voxels, spacing_mm, self.recipe)
        with memory_errors():
            scores = logits(self.network, self.architecture, given)
        found = np.empty((len(self.structures), *scores.shape[:-1]), np.float32)
        for index, plane in enumerate(scores):  # one by one: the softmax of a whole volume would take its memory again
            found[:, index] = np.moveaxis(softmax(plane, axis=-1)[..., 1:], -1, 0)
        return Segmented(found, footprint)

    def labels(self, voxels: FloatArray, spacing_mm: Spacing | None) -> Labels:
        """Cleaned labels in the volume's voxels.

        Args:
            voxels: Float32 `[S, R, C]`.
            spacing_mm: As for `probabilities`.

        Returns:
            `[S, R, C]`: 0 for the background, otherwise 1 + the index into `structures`.
        """
        return self.labelled(self.probabilities(voxels, spacing_mm), spacing_mm)

    def labelled(self, segmented: Segmented, spacing_mm: Spacing | None) -> Labels:
        """The labels of `labels`, from what `probabilities` has given."""
        labels = np.zeros(segmented.footprint.volume_shape, np.uint8)
        for index in range(*segmented.footprint.slices):
            plane = segmented.plane(index)
            likeliest = plane.argmax(axis=0)
            sure = np.take_along_axis(plane, likeliest[None], axis=0)[0] >= self.threshold
            labels[index] = np.where(sure, 1 + likeliest, 0)
        clean = np.zeros_like(labels)
        for label, name in enumerate(self.structures, start=1):
            mask = cleaned(labels == label, spacing_mm, name in ONE_PIECE)
            clean[mask & (clean == 0)] = label
        return clean
