"""The map of one class. It is stored on the network's grid and resampled to the volume's grid on request."""

from dataclasses import dataclass, replace

import numpy as np

from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray


@dataclass(frozen=True, eq=False)
class ClassMap:
    """The map of one class, as it is stored.

    Attributes:
        grid: The map on the network's grid, float32 `[s, h, w]`.
        footprint: Where this grid lies in the volume.
    """

    grid: FloatArray
    footprint: Footprint

    def volume(self) -> FloatArray:
        """The map in the volume's grid, `[slices, rows, columns]`."""
        return self.footprint.carry_back(self.grid)

    def peak(self) -> float:
        """The highest value of `volume()`; 0 if none is above 0."""
        return self.footprint.peak(self.grid)

    def plane(self, index: int) -> FloatArray:
        """Slice `index` of `volume()`, `[rows, columns]`, without computing the other slices."""
        (first, stop), (_, rows, columns) = self.footprint.slices, self.footprint.volume_shape
        if not first <= index < stop:
            return np.zeros((rows, columns), np.float32)
        alone = replace(self.footprint, volume_shape=(1, rows, columns), slices=(0, 1))
        planes = alone.carry_back(self.grid[index - first : index - first + 1])
        return planes.reshape(rows, columns)
