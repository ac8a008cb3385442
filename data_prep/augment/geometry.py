"""Where each pixel of a slice goes: shift, rotation, scale, shear, crop and elastic bending as one map.

The same map for every slice, within the slice's plane only: thick slices allow no other. Matrices act on
(column, row, 1) in OpenCV's convention, in which whole numbers are pixel centres.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.augment.spline import smooth_field
from data_prep.volume import FloatArray

Matrix = npt.NDArray[np.float64]
Size = tuple[int, int]

# A bend is about a quarter of the slice wide: the knee's outline changes, a ligament's texture doesn't.
BEND_CELLS = (4, 4)
# Farthest that a control point may move, as a fraction of the slice: a cubic B-spline can't fold the plane where that
# is below the points' distance / 2.0464 (Choi and Lee, Graphical Models 62, 2000).
BEND_LIMIT = 1 / (2.0464 * max(BEND_CELLS))


def turned(size: Size, degrees: float, zoom: float, right: float, down: float) -> Matrix:
    """Rotation (counter-clockwise) and scale about the slice's centre, then a shift by fractions of the slice."""
    height, width = size
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    matrix[:2, 2] += right * width, down * height
    return matrix


def sheared(size: Size, degrees: float) -> Matrix:
    """Columns lean by an angle, rows keep their place; the centre stays."""
    slope = math.tan(math.radians(degrees))
    matrix = np.eye(3)
    matrix[0, 1:] = slope, -slope * size[0] / 2
    return matrix


def cropped(size: Size, share: float, right: float, down: float) -> Matrix:
    """A window of `share` of each side, enlarged to the slice; `right`, `down` 0 to 1 place it from edge to edge."""
    height, width = size
    left, top = right * (1 - share) * width, down * (1 - share) * height
    matrix = np.diag([1 / share, 1 / share, 1.0])
    matrix[:2, 2] = (0.5 - left) / share - 0.5, (0.5 - top) / share - 0.5
    return matrix


def bent(size: Size, control: Matrix) -> FloatArray:
    """Pixels `[H, W, 2]` (right, down) of a smooth bend; control points `[2, rows, columns]` in fractions of a side."""
    height, width = size
    right, down = (smooth_field(points, size) for points in control)
    return np.stack([right * width, down * height], axis=-1)


@dataclass(frozen=True, eq=False)
class Warp:
    """From a slice to its changed picture.

    matrix: float64 `[3, 3]`, from old places to new ones. bend: pixels `[H, W, 2]` by which each new place is moved
    before the matrix is undone to look up the old one; None for a straight map.
    """

    matrix: Matrix
    bend: FloatArray | None = None

    def slices(self, slices: FloatArray) -> FloatArray:
        """`[S, H, W]`, linear between pixels; beyond the edge, the edge's pixel."""
        return self._moved(slices, cv2.BORDER_REPLICATE)

    def mask(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """`[S, H, W]`, true where at least half of the interpolated pixel was; nothing beyond the edge."""
        return self._moved(mask.astype(np.float32), cv2.BORDER_CONSTANT) >= 0.5

    def _moved(self, planes: FloatArray, border: int) -> FloatArray:
        height, width = planes.shape[1:]
        if self.bend is None:
            return np.stack(
                [cv2.warpAffine(plane, self.matrix[:2], (width, height), borderMode=border) for plane in planes]
            )
        rows, columns = np.indices((height, width), np.float32)
        places = np.stack([columns, rows], axis=-1) + self.bend
        across, down = cv2.split(cv2.transform(places, cv2.invertAffineTransform(self.matrix[:2])))
        return np.stack([cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=border) for plane in planes])
