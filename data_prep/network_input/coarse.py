"""The first step from a volume to a network: everything that needs no network and no recipe.

The volume is screened; for a localiser it is also resampled, as a whole, to a coarse grid.
"""

import time
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from data_prep.boxes import Box
from data_prep.network_input.crop import Spacing
from data_prep.network_input.suitability import examine
from data_prep.notice import Notice
from data_prep.volume import FloatArray, Volume

# Pixels of the coarse grid: a ligament of 30 x 10 mm still has a few hundred of them.
COARSE_MM = 1.0
# Percentiles of the volume that become 0 and 1; a few bright vessels shouldn't darken the knee.
WINDOW = (1.0, 99.0)


@dataclass(frozen=True, eq=False)
class Coarse:
    """A volume that can be predicted on. Plain arrays, so that it can travel between processes.

    voxels: float32 `[S, R, C]`. notices: what a reader of the answer should know of the volume.
    grid: for a localiser, float32 `[S, h, w]` in 0..1, every slice as a whole at `COARSE_MM`; None where none is used.
    """

    voxels: FloatArray
    spacing_mm: Spacing
    notices: tuple[Notice, ...]
    took_ms: float
    grid: FloatArray | None = None

    @classmethod
    def of(cls, volume: Volume, with_grid: bool = False) -> Self:
        """Screen the volume. with_grid: for a localiser. Raises UnsuitableStudy if nothing can be predicted."""
        started = time.perf_counter()
        notices = examine(volume)
        grid = coarse_grid(volume.voxels, volume.spacing_mm) if with_grid else None
        took_ms = 1000 * (time.perf_counter() - started)
        return cls(volume.voxels, volume.spacing_mm, notices, round(took_ms, 2), grid)

    def in_volume(self, box: Box) -> Box:
        """A box on the grid as the box of whole voxels that holds it."""
        assert self.grid is not None
        spans = []
        for (start, stop), cells, length in zip(box, self.grid.shape, self.voxels.shape, strict=True):
            first, last = int(np.floor(start * length / cells)), int(np.ceil(stop * length / cells))
            spans.append((max(first, 0), min(last, length)))
        return spans[0], spans[1], spans[2]


def coarse_grid(voxels: FloatArray, spacing_mm: Spacing) -> FloatArray:
    """Every slice `[R, C]` at `COARSE_MM` a pixel, scaled to 0..1 by percentiles of the whole volume: `[S, h, w]`."""
    rows, columns = (
        max(1, round(length * mm / COARSE_MM)) for length, mm in zip(voxels.shape[1:], spacing_mm[1:], strict=True)
    )
    low, high = (float(value) for value in np.percentile(voxels, WINDOW))
    scaled = np.clip((voxels - low) / max(high - low, float(np.finfo(np.float32).tiny)), 0, 1)
    resized = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in scaled]
    return np.asarray(resized, np.float32)
