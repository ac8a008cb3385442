"""Where the ligament is on the grid of a trunk's features: what a trunk learns beside the classes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.augment import Draw
from data_prep.prepare.cache import CachedInputs
from data_prep.prepare.load import ligament_mask
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from training.data.examples import Examples
from training.data.targets import ClassSets, Indices, Mask, Target

CLASSES, LIGAMENT = "classes", "ligament"
# The share of the ligament in cells of exams in which it isn't known.
UNKNOWN = -1.0
# Points along each side of a cell at which the mask is looked up.
FINE = 16
Span = tuple[float, float]


class Grid(NamedTuple):
    """A trunk's grid of features on a slice.

    Attributes:
        rows, columns: how many cells.
        span: where they lie, as fractions of the slice's rows and columns.
    """

    rows: int
    columns: int
    span: tuple[Span, Span]


@dataclass(frozen=True, eq=False)
class WithLigaments(ClassSets):
    """Sets of classes, and where the ligament is.

    Attributes:
        masks: bool `[s, H, W]` of each exam, in the pixels of its slices; None if the ligament isn't known.
        grid: the grid on which the ligament is asked for.
    """

    masks: Sequence[Mask | None]
    grid: Grid

    def one(self, exam: int, draw: Draw | None, slices: int) -> Target:
        """The classes `[K]`, and the share of each cell that the ligament fills, `[slices, rows, columns]`."""
        rows, columns, _ = self.grid
        mask = self.masks[exam]
        if mask is None:
            shares = np.full((slices, rows, columns), UNKNOWN, np.float32)
        else:
            own = shares_of_cells(draw.mask(mask) if draw else mask, self.grid)
            shares = np.pad(own, ((0, slices - len(own)), (0, 0), (0, 0)), mode="edge")
        return {CLASSES: self.allowed[exam], LIGAMENT: shares}

    def take(self, exams: Indices) -> "WithLigaments":
        return replace(self, allowed=self.allowed[np.asarray(exams)], masks=[self.masks[exam] for exam in exams])

    @property
    def sha256(self) -> str:
        """A digest of the masks."""
        digest = hashlib.sha256()
        for mask in self.masks:
            digest.update(b"-" if mask is None else repr(mask.shape).encode() + np.packbits(mask).tobytes())
        return digest.hexdigest()


def with_ligaments(examples: Examples, exams: Sequence[Exam], size: tuple[int, int], grid: Grid) -> Examples:
    """The examples with the ligaments of their exams.

    Args:
        examples: as `prepare` makes them of these exams.
        exams: the exams; they may know a mask or a box of the ligament, or nothing.
        size: rows and columns of a slice.
        grid: the grid of the trunk that learns.

    Raises:
        ValueError: a mask or box doesn't fit its volume.
    """
    inputs = examples.inputs
    assert isinstance(inputs, CachedInputs)
    masks = [_mask(exam, inputs, index, size) for index, exam in enumerate(exams)]
    return replace(examples, targets=WithLigaments(examples.allowed, masks, grid))


def _mask(exam: Exam, inputs: CachedInputs, index: int, size: tuple[int, int]) -> Mask | None:
    footprint = inputs.footprint(index)
    mask = ligament_mask(exam, footprint.volume_shape)
    return None if mask is None else footprint.labels(mask, size)


def shares_of_cells(mask: Mask, grid: Grid) -> FloatArray:
    """The share of each cell that a mask fills: bool `[s, H, W]` -> float32 `[s, rows, columns]`."""
    height, width = mask.shape[1:]
    (top, bottom), (left, right) = (
        np.multiply(span, size) for span, size in zip(grid.span, (height, width), strict=True)
    )
    # From pixels of a picture of the grid, FINE x FINE in each cell, to pixels of the slice; whole numbers are centres.
    down, across = (bottom - top) / (grid.rows * FINE), (right - left) / (grid.columns * FINE)
    matrix = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    size = grid.columns * FINE, grid.rows * FINE
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    fine = np.stack([cv2.warpAffine(one, matrix, size, flags=flags) for one in mask.astype(np.float32)])
    shares: FloatArray = fine.reshape(len(mask), grid.rows, FINE, grid.columns, FINE).mean(axis=(2, 4))
    return shares
