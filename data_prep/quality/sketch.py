"""A volume small enough to look at quickly: block means for what is shown, single voxels for how bright they are."""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray, Volume

# Rows and columns of the sketch: 1.3 mm in a picture of 160 mm, enough for bones, and noise is averaged out.
SIZE = 128
# Blocks of the sketch's pixels; noise averages out in them, anatomy doesn't.
BLOCK = 8
# A slice shows something if blocks carry this share of its variance: noise leaves them 1/64, anatomy more than half.
MIN_BLOCK_SHARE = 0.2
# Variance below this share of the volume's is rounding: the means of equal float32s aren't quite equal.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Sketch:
    """The slices of a volume with about `SIZE` x `SIZE` pixels each, of the proportions that the matrix has."""

    volume: Volume

    @cached_property
    def step(self) -> int:
        """Rows, and columns, of the volume that make one of the sketch."""
        _, rows, columns = self.volume.shape
        return max(1, round(math.sqrt(rows * columns) / SIZE))

    @cached_property
    def means(self) -> FloatArray:
        """Block means, `[slices, h, w]`, as shares of the largest one."""
        means = _shrunk(self.volume.voxels, self.step)
        return means / np.float32(np.abs(means).max() or 1)

    @cached_property
    def sample(self) -> FloatArray:
        """One voxel of each block as it is, `[slices, h, w]`."""
        half = self.step // 2
        return np.ascontiguousarray(self.volume.voxels[:, half :: self.step, half :: self.step])

    @cached_property
    def shows(self) -> npt.NDArray[np.bool_]:
        """`[slices]`: which slices show more than one value or noise."""
        total = self.means.var(axis=(1, 2))
        blocks = _shrunk(self.means, BLOCK).var(axis=(1, 2))
        shows: npt.NDArray[np.bool_] = blocks > MIN_BLOCK_SHARE * np.maximum(total, ROUNDING * self.means.var())
        return shows


def _shrunk(planes: FloatArray, step: int) -> FloatArray:
    """Means of `step` x `step` pixels, `[slices, rows // step, columns // step]`; what is left at the border is cut."""
    rows, columns = (max(1, size // step) for size in planes.shape[1:])
    cut = planes[:, : rows * step, : columns * step]
    return np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in cut])
