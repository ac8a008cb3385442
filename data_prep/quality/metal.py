"""Metal in the joint: signal is missing around it and piles up at the rim of the gap.

A ligament's screws spoil a few slices and leave most of the joint to see; a prosthesis leaves hardly anything.
"""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# As dark as air: below this share of the way from air to tissue, the median of what is brighter than air.
DARK = 0.25
# Tendons, cortex and vessels are thinner than this many pixels of the sketch (11 mm); a gap by metal is thicker.
GAP_PX = 9
# The rim of a gap: so many pixels of the sketch.
RIM_PX = 5
# Pile-up is about as bright as this percentile of the slice, of which it may be a part itself.
BRIGHT_PERCENTILE, PILED = 97, 0.9
# At least so much of a gap's rim is pile-up.
MIN_BRIGHT_RIM = 0.1
# The joint: the middle half of rows and columns, over all slices. Screws leave gaps in less than this share.
MAX_GAP = 0.06


def metal(sketch: Sketch) -> str | None:
    """Large gaps with bright rims within the limb."""
    means = sketch.means[sketch.shows]
    gaps = np.stack([_gaps(plane, sketch.air) for plane in means])
    rows, columns = (slice(size // 4, size - size // 4) for size in means.shape[1:])
    share = float(gaps[:, rows, columns].mean())
    if share <= MAX_GAP:
        return None
    return f"{share:.0%} of the joint is a gap without signal and with bright rims; {MAX_GAP:.0%} is the most."


def _gaps(plane: FloatArray, air: float) -> FloatArray:
    """Where a slice `[h, w]` has gaps, as 0 and 1."""
    gaps = np.zeros(plane.shape, np.float32)
    bright = plane[plane > air + 0.1 * (plane.max() - air)]
    tissue = float(np.median(bright)) if bright.size else air
    dark = (plane < air + DARK * (tissue - air)).astype(np.uint8)
    count, labels = cv2.connectedComponents(cv2.morphologyEx(dark, cv2.MORPH_OPEN, _disc(GAP_PX)))
    outside = np.unique(np.concatenate([labels[:, 0], labels[:, -1], labels[0], labels[-1]]))
    inside = set(range(1, count)) - set(outside.tolist())
    piled = PILED * np.percentile(plane, BRIGHT_PERCENTILE) if inside else 0.0
    for label in inside:
        gap = (labels == label).astype(np.uint8)
        rim = (cv2.dilate(gap, _disc(2 * RIM_PX + 1)) > 0) & (gap == 0)
        if (plane[rim] >= piled).mean() > MIN_BRIGHT_RIM:
            gaps[gap > 0] = 1
    return gaps


def _disc(size: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
