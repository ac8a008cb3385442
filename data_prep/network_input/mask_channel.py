"""The ligament's mask as a second channel of the slices, so that a network sees where a localiser found it.

The edge is soft: a localiser is never right to the pixel.
"""

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray

# Standard deviation of the blur.
EDGE_MM = 2.0


def with_mask(
    slices: FloatArray, mask: npt.NDArray[np.bool_] | None, footprint: Footprint, recipe: Recipe
) -> FloatArray:
    """Add the second channel.

    Args:
        slices: float32 `[s, h, w]`.
        mask: bool `[S, R, C]` in the volume's voxels; None if the ligament wasn't found: the channel is then 0.
        footprint: where the slices lie in the volume.
        recipe: how they were made.

    Returns:
        float32 `[s, h, w, 2]`; the second channel is in 0..1.
    """
    both = np.zeros((*slices.shape, 2), np.float32)
    both[..., 0] = slices
    if mask is not None:
        down, across = (EDGE_MM * cells / mm for cells, mm in zip(recipe.size, recipe.extent_mm[1:], strict=True))
        for index, plane in enumerate(footprint.labels(mask, recipe.size).astype(np.float32)):
            both[index, ..., 1] = cv2.GaussianBlur(plane, (0, 0), sigmaX=across, sigmaY=down)
    return both
