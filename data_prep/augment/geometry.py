"""Where each pixel of a slice moves: shift, rotation, scale, shear, crop and elastic bending as one map.

The map is the same for every slice and stays within the slice's plane, since slices are too thick for anything else.
Matrices act on (column, row, 1) in OpenCV's convention, in which whole numbers are pixel centres.
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

# A bend is about a quarter of the slice wide: it changes the knee's outline, but not a ligament's texture.
BEND_CELLS = (4, 4)
# Largest distance that a control point may move, as a fraction of the slice. A cubic B-spline can't fold the plane if
# it is below the points' distance / 2.0464 (Choi and Lee, Graphical Models 62, 2000).
BEND_LIMIT = 1 / (2.0464 * max(BEND_CELLS))


def turned(size: Size, degrees: float, zoom: float, right: float, down: float) -> Matrix:
    """The matrix `[3, 3]` of a rotation and scaling about the slice's centre, then a shift.

    Args:
        size: Height and width in pixels.
        degrees: Rotation, counter-clockwise.
        zoom: Scale factor.
        right: Shift as a fraction of the width.
        down: Shift as a fraction of the height.
    """
    height, width = size
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    matrix[:2, 2] += right * width, down * height
    return matrix


def sheared(size: Size, degrees: float) -> Matrix:
    """The matrix `[3, 3]` of a shear: columns lean by an angle, rows keep their place, the centre stays."""
    slope = math.tan(math.radians(degrees))
    matrix = np.eye(3)
    matrix[0, 1:] = slope, -slope * size[0] / 2
    return matrix


def cropped(size: Size, share: float, right: float, down: float) -> Matrix:
    """The matrix `[3, 3]` that enlarges a window to the whole slice.

    Args:
        size: Height and width in pixels.
        share: The window's sides, as a fraction of the slice's.
        right: The window's place, from 0 (left edge) to 1 (right edge).
        down: The window's place, from 0 (upper edge) to 1 (lower edge).
    """
    height, width = size
    left, top = right * (1 - share) * width, down * (1 - share) * height
    matrix = np.diag([1 / share, 1 / share, 1.0])
    matrix[:2, 2] = (0.5 - left) / share - 0.5, (0.5 - top) / share - 0.5
    return matrix


def bent(size: Size, control: Matrix) -> FloatArray:
    """The displacements of a smooth bend.

    Args:
        size: Height and width in pixels.
        control: Control points `[2, rows, columns]` (right, down) in fractions of the slice's size.

    Returns:
        Displacements `[H, W, 2]` (right, down) in pixels.
    """
    height, width = size
    right, down = (smooth_field(points, size) for points in control)
    return np.stack([right * width, down * height], axis=-1)


@dataclass(frozen=True, eq=False)
class Warp:
    """Moves the pixels of slices and masks.

    Attributes:
        matrix: Float64 `[3, 3]`, from old places to new ones.
        bend: Displacements `[H, W, 2]` in pixels, added to each new place before the matrix is inverted to find the old
            place; None for no bend.
    """

    matrix: Matrix
    bend: FloatArray | None = None

    def slices(self, slices: FloatArray) -> FloatArray:
        """Move slices `[S, H, W]`, with linear interpolation. Beyond the edge, the edge's pixel is repeated."""
        return self._moved(slices, cv2.BORDER_REPLICATE)

    def mask(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Move a mask `[S, H, W]`: true where the interpolated value is at least 0.5. Beyond the edge it is false."""
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
