"""Voxels as 16 bit for programs that show them: half the bytes of float32, and no value that a reader could miss.

Scanners store at most 16 bits, so most volumes hold whole numbers and are kept exactly.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray

Levels = npt.NDArray[np.uint16]
LAST = (1 << 16) - 1


class SixteenBits(NamedTuple):
    """How a volume is stored: `voxel = slope * level + intercept`.

    Attributes:
        slope: The step from one level to the next.
        intercept: The voxel value of level 0.
        tolerance: The largest difference between a voxel and its restored value; 0 if every voxel is restored exactly.
    """

    slope: float
    intercept: float
    tolerance: float

    @classmethod
    def of(cls, voxels: FloatArray) -> "SixteenBits":
        """The finest steps that reach from the lowest voxel to the highest.

        Args:
            voxels: float32 `[slices, rows, columns]`.
        """
        low, high = float(voxels.min()), float(voxels.max())
        if high - low <= LAST and all(np.array_equal(plane, np.rint(plane)) for plane in voxels):
            return cls(1.0, low, 0.0)
        slope = (high - low) / LAST or 1.0
        # The rounding to a level, and that to float32.
        return cls(slope, low, 0.5 * slope + float(np.spacing(np.float32(max(abs(low), abs(high))))))

    def levels(self, voxels: FloatArray) -> Levels:
        """The levels of voxels of this volume, little-endian, in the same shape."""
        return np.rint((voxels.astype(np.float64) - self.intercept) / self.slope).astype("<u2")
