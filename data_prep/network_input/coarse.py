"""The first step from a volume to a network input: everything that needs no network and no recipe.

The volume is screened; for a localiser the whole volume is also resampled to a coarse grid.
"""

import time
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from data_prep.boxes import Box
from data_prep.limits import check_resampled
from data_prep.network_input.crop import Spacing, percentile
from data_prep.network_input.suitability import examine
from data_prep.notice import Notice
from data_prep.volume import FloatArray, Volume

# Pixel size of the coarse grid: a ligament of 30 x 10 mm still has a few hundred pixels.
COARSE_MM = 1.0
# Percentiles of the volume that become 0 and 1; a few bright vessels shouldn't darken the knee.
WINDOW = (1.0, 99.0)


@dataclass(frozen=True, eq=False)
class Coarse:
    """A volume that can be predicted on, as plain arrays that can be sent to another process.

    Attributes:
        voxels: float32 `[S, R, C]`.
        spacing_mm: distance between neighbouring slices, rows and columns.
        notices: warnings about the volume for the reader of the answer.
        took_ms: how long this step took.
        grid: the coarse grid for a localiser, float32 `[S, h, w]` in 0..1, whole slices at `COARSE_MM`; None without
            a localiser.
    """

    voxels: FloatArray
    spacing_mm: Spacing
    notices: tuple[Notice, ...]
    took_ms: float
    grid: FloatArray | None = None

    @classmethod
    def of(cls, volume: Volume, with_grid: bool = False) -> Self:
        """Screen the volume.

        Args:
            volume: the volume.
            with_grid: whether to make the coarse grid, for a localiser.

        Raises:
            UnsuitableStudy: the volume can't be predicted on.
        """
        started = time.perf_counter()
        notices = examine(volume)
        grid = coarse_grid(volume.voxels, volume.spacing_mm) if with_grid else None
        took_ms = 1000 * (time.perf_counter() - started)
        return cls(volume.voxels, volume.spacing_mm, notices, round(took_ms, 2), grid)

    def in_volume(self, box: Box) -> Box:
        """The smallest box of whole voxels of the volume that contains a box on the coarse grid."""
        assert self.grid is not None
        spans = []
        for (start, stop), cells, length in zip(box, self.grid.shape, self.voxels.shape, strict=True):
            first, last = int(np.floor(start * length / cells)), int(np.ceil(stop * length / cells))
            spans.append((max(first, 0), min(last, length)))
        return spans[0], spans[1], spans[2]


def coarse_grid(voxels: FloatArray, spacing_mm: Spacing) -> FloatArray:
    """The volume with every slice resampled to pixels of `COARSE_MM`.

    Args:
        voxels: float32 `[S, R, C]`.
        spacing_mm: distance between neighbouring slices, rows and columns.

    Returns:
        float32 `[S, h, w]`, scaled to 0..1 by percentiles of the whole volume.

    Raises:
        UnsuitableStudy: the grid would have too many pixels.
    """
    rows, columns = (
        max(1, round(length * mm / COARSE_MM)) for length, mm in zip(voxels.shape[1:], spacing_mm[1:], strict=True)
    )
    check_resampled((len(voxels), rows, columns), voxels.size)
    low, high = (percentile(voxels, percent) for percent in WINDOW)
    width = max(high - low, float(np.finfo(np.float32).tiny))
    grid = np.empty((len(voxels), rows, columns), np.float32)
    for index, plane in enumerate(voxels):
        scaled = np.clip((plane - np.float32(low)) / np.float32(width), 0, 1)
        grid[index] = cv2.resize(scaled, (columns, rows), interpolation=cv2.INTER_AREA)
    return grid
