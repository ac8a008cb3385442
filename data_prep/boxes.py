"""Blocks of voxels: start and stop along slices, rows and columns."""

import numpy as np
import numpy.typing as npt

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box:
    """The smallest box that holds a mask.

    Args:
        mask: bool `[S, R, C]`.

    Raises:
        ValueError: the mask is empty.
    """
    if not mask.any():
        raise ValueError("an empty mask has no box")
    spans = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    first, second, third = ((int(span[0]), int(span[-1]) + 1) for span in spans)
    return first, second, third


def filled(box: Box, shape: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """The box as a bool mask of this shape; the part of the box outside the shape is cut off."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(start, stop) for start, stop in box)] = True
    return mask
