"""The evidence for the explained class: its map, the region above the threshold, and where the peak is."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from app.results.colour_scale import Bounds
from data_prep.volume import FloatArray

# Outlines are simplified, by half a pixel or more, until they have at most this many points: archives pass on values of
# up to 1 kB with the header, and a point in the patient has 12 bytes.
MOST_POINTS = 80
# Columns and rows in pixels, `[N, 2]`; 0, 0 is the outer corner of the first pixel, as in SCOORD (PS3.3 C.18.6.1.1).
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The map of the explained class in the volume's grid.

    Attributes:
        values: Float32 `[slices, rows, columns]`.
        bounds: Which of its values are shown.
    """

    values: FloatArray
    bounds: Bounds

    @cached_property
    def region(self) -> npt.NDArray[np.bool_]:
        """The voxels that reach the threshold, `[slices, rows, columns]`; none if there is no threshold."""
        if self.bounds.threshold is None:
            return np.zeros(self.values.shape, np.bool_)
        reached: npt.NDArray[np.bool_] = self.values >= np.float32(self.bounds.threshold)
        return reached

    @cached_property
    def has_region(self) -> bool:
        """Whether any voxel reaches the threshold."""
        return bool(self.region.any())

    @cached_property
    def peak(self) -> tuple[int, int, int]:
        """Slice, row and column of the highest value."""
        slice_, row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return int(slice_), int(row), int(column)

    def outline(self, index: int) -> Points:
        """The outer outline of the largest part of the region in a slice, closed. The slice must have a part.

        It runs through the pixels at the edge, a quarter of a pixel inside; if it has many points, only near them.
        """
        return outline(self.region[index])

    def examined(self, index: int) -> Points:
        """The rectangle in a slice that the model looked at, closed: where the map isn't 0; the slice if it is 0."""
        rows, columns = np.nonzero(self.values[index])
        height, width = self.values.shape[1:]
        top, bottom = (rows.min(), rows.max() + 1) if len(rows) else (0, height)
        left, right = (columns.min(), columns.max() + 1) if len(columns) else (0, width)
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], np.float64)


def outline(plane: npt.NDArray[np.bool_]) -> Points:
    """The outer outline of the largest part of a mask `[rows, columns]`, closed, as in `Evidence.outline`."""
    doubled = plane.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(found, key=cv2.contourArea)
    tolerance = 1.0  # half a pixel
    while len(largest) >= MOST_POINTS:
        largest = cv2.approxPolyDP(largest, tolerance, closed=True)
        tolerance *= 2
    points = largest.reshape(-1, 2)
    return (np.vstack([points, points[:1]]) + 0.5) / 2
