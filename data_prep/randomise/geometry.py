"""Which part of a knee a sample shows, in which orientation, and how its shapes are bent."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.augment.geometry import BEND_CELLS, BEND_LIMIT, Matrix, bent, sheared, turned
from data_prep.augment.spline import control_points
from data_prep.phantom.tissues import NUMBERS, LabelArray
from data_prep.randomise.label_maps import LabelMap
from data_prep.randomise.ranges import Ranges
from data_prep.volume import FloatArray

FINE = 2  # labels are sampled this many times finer than the picture's pixels, so that edges are mixed, not jagged
COARSE = 4  # a bend is smooth: it is computed for every fourth pixel


@dataclass(frozen=True, eq=False)
class View:
    """Part of a slice of a label map.

    Attributes:
        index: The slice.
        beside: How much of the slices before and after is mixed in, 0 to 1: 0 for the map's own thickness.
        across: Float32 `[FINE * H, FINE * W]`, the column of the map that each point shows.
        down: The row of the map that each point shows.
        pixel_mm: Size of a pixel of the sample.
        orientation: 0 to 7: see `oriented`.
    """

    index: int
    beside: float
    across: FloatArray
    down: FloatArray
    pixel_mm: float
    orientation: int

    def look(self, knee: LabelMap, offset: int = 0) -> LabelArray:
        """The tissues at all points, `[FINE * H, FINE * W]`, of the slice or of one beside it."""
        index = min(max(self.index + offset, 0), len(knee.tissues) - 1)
        plane = np.ascontiguousarray(knee.tissues[index])
        found = cv2.remap(
            plane, self.across, self.down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )
        return np.asarray(found, np.uint8)


def draw_view(knee: LabelMap, size: tuple[int, int], ranges: Ranges, rng: np.random.Generator) -> View:
    """A random view of a random slice of a knee."""
    index = _slice(knee, ranges, rng)
    width_mm = _width_mm(ranges, rng)
    height, width = size
    pixel = width_mm / max(size)
    middle = _middle_mm(knee) + rng.uniform(-1, 1, 2) * ranges.off_centre * width_mm
    matrix = _matrix(rng, ranges)
    fine = tuple(FINE * length for length in size)
    steps = [(np.arange(length, dtype=np.float32) + 0.5 - length / 2) * np.float32(pixel / FINE) for length in fine]
    across, down = np.meshgrid(steps[1], steps[0])
    bend = _bend_mm(fine, width_mm, ranges, rng)
    across, down = across + bend[..., 0], down + bend[..., 1]
    _, row_mm, column_mm = knee.spacing_mm
    columns, rows = (
        ((row[0] * across + row[1] * down + start) / spacing - 0.5).astype(np.float32)
        for row, start, spacing in zip(matrix, middle, (column_mm, row_mm), strict=True)
    )
    beside = np.clip((rng.uniform(*ranges.thickness_mm) / knee.spacing_mm[0] - 1) / 2, 0, 1)
    turn = int(rng.integers(8)) if rng.random() < ranges.turned_share else 0
    return View(index, float(beside), columns, rows, pixel, turn if height == width or turn < 4 else turn - 4)


def oriented(image: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """One of the eight orientations of a square: the sum of 1 (left to right), 2 (upside down) and 4 (transposed)."""
    if orientation & 4:
        image = image.T
    if orientation & 2:
        image = image[::-1]
    if orientation & 1:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _slice(knee: LabelMap, ranges: Ranges, rng: np.random.Generator) -> int:
    """Slices with more of the ligament are drawn more often; the others from all slices."""
    shown = knee.ligament_pixels.astype(np.float64)
    if rng.random() >= ranges.with_ligament_share or not shown.any():
        return int(rng.integers(len(knee.tissues)))
    return int(rng.choice(len(shown), p=shown / shown.sum()))


def _width_mm(ranges: Ranges, rng: np.random.Generator) -> float:
    luck = rng.random()
    if luck < ranges.tight_share:
        return float(rng.uniform(*ranges.tight_mm))
    return float(rng.uniform(*(ranges.wide_mm if luck > 1 - ranges.wide_share else ranges.usual_mm)))


def _middle_mm(knee: LabelMap) -> npt.NDArray[np.float64]:
    """(column, row) of the ligament's middle, in mm from the map's corner."""
    slices = np.flatnonzero(knee.ligament_pixels)
    plane = knee.tissues[slices[len(slices) // 2]] if len(slices) else knee.tissues[0]
    rows, columns = np.nonzero(np.isin(plane, (NUMBERS["acl"], NUMBERS["acl tear"])))
    if not len(rows):
        rows, columns = (np.array([length / 2]) for length in plane.shape)
    return np.array([(columns.mean() + 0.5) * knee.spacing_mm[2], (rows.mean() + 0.5) * knee.spacing_mm[1]])


def _matrix(rng: np.random.Generator, ranges: Ranges) -> Matrix:
    """`[2, 2]`, from (right, down) in the sample to (right, down) in the map, in mm."""
    turn = turned((0, 0), rng.uniform(*ranges.rotation_degrees), 1, 0, 0)
    lean = sheared((0, 0), rng.uniform(*ranges.shear_degrees))
    return (turn @ lean)[:2, :2] @ np.diag(1 / rng.uniform(*ranges.scale, 2))


def _bend_mm(fine: tuple[int, ...], width_mm: float, ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Displacements `[FINE * H, FINE * W, 2]` (right, down) in mm; never so large that the plane folds."""
    share = min(rng.uniform(*ranges.bend_mm) / width_mm, 0.9 * BEND_LIMIT)
    control = share * np.stack([control_points(BEND_CELLS, rng) for _ in range(2)])
    coarse = (fine[0] // COARSE, fine[1] // COARSE)
    bend = bent(coarse, control) * np.float32(width_mm / max(coarse))
    return np.asarray(cv2.resize(bend, (fine[1], fine[0]), interpolation=cv2.INTER_LINEAR), np.float32)
