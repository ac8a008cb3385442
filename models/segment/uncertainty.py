"""How unsure a segmenter is of an image, to say which one to annotate next.

The measure is the entropy of each pixel's probabilities (background included), divided by the entropy of equal
probabilities, and averaged over the pixels near the mask's boundary: within `NEAR` pixels of the network's grid, in the
same slice. Far from the boundary nearly every pixel is sure, so that the mean over the image would measure its size.
Settles 2009, "Active Learning Literature Survey", has entropy as a measure for what to label next (section 3.1). An
image in which nothing was found has an uncertainty of 1: the segmenter has failed there, and learns most from it.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from data_prep.volume import FloatArray
from models.segment.segmented import Segmented

NEAR = 3


def entropy(probabilities: FloatArray) -> FloatArray:
    """The entropy of each pixel, from 0 to 1.

    Args:
        probabilities: Float32 `[K, ...]`, without the background.

    Returns:
        Float32 `[...]`: 0 where the segmenter is sure, 1 where background and all structures are equally likely.
    """
    background = np.clip(1 - probabilities.sum(axis=0, keepdims=True), 0, 1)
    every = np.clip(np.concatenate([background, probabilities]), np.finfo(np.float32).tiny, 1)
    return np.asarray(-(every * np.log(every)).sum(axis=0) / np.log(len(every)), np.float32)


def by_slice(segmented: Segmented, threshold: float) -> npt.NDArray[np.float64]:
    """The uncertainty of each slice of the network's input, `[s]`; NaN for slices without a mask."""
    found = np.full(segmented.probabilities.shape[1], np.nan)
    for index in range(len(found)):
        plane = segmented.probabilities[:, index]
        if (near := near_boundary(plane.max(axis=0) >= threshold)).any():
            found[index] = entropy(plane)[near].mean(dtype=np.float64)
    return found


def uncertainty(segmented: Segmented, threshold: float) -> float:
    """The uncertainty of an image or volume: the mean of its slices that have a mask; 1 if none has."""
    slices = by_slice(segmented, threshold)
    return 1.0 if np.isnan(slices).all() else float(np.nanmean(slices))


def near_boundary(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels `[h, w]` within `NEAR` pixels of a mask's boundary, on both sides. An image's edge is no boundary."""
    if not mask.any():
        return np.zeros_like(mask)
    inside = ndimage.binary_erosion(mask, iterations=NEAR, border_value=1)
    return np.asarray(ndimage.binary_dilation(mask, iterations=NEAR) & ~inside)
