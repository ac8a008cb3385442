"""Metal in the joint: signal is missing around it and piles up at the rim of the gap.

The screws of a ligament graft spoil a few slices, and most of the joint can be seen; with a prosthesis hardly anything
can be seen.
"""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# A pixel is as dark as air below this share of the range from air to tissue (the median of what is brighter than air).
DARK = 0.25
# Tendons, cortex and vessels are thinner than this many pixels of the sketch (11 mm); a gap around metal is thicker.
GAP_PX = 9
# Width of a gap's rim, in pixels of the sketch.
RIM_PX = 5
# Pile-up is about as bright as this percentile of the slice, which may include the pile-up itself.
BRIGHT_PERCENTILE, PILED = 97, 0.9
# At least this share of a gap's rim is pile-up.
MIN_BRIGHT_RIM = 0.1
# Allowed share of gaps in the joint (the middle half of rows and columns, in all slices). Screws make less.
MAX_GAP = 0.06


def metal(sketch: Sketch) -> str | None:
    """A reason if there are large gaps with bright rims within the limb."""
    means = sketch.means[sketch.shows]
    gaps = np.stack([_gaps(plane, sketch.air) for plane in means])
    rows, columns = (slice(size // 4, size - size // 4) for size in means.shape[1:])
    share = float(gaps[:, rows, columns].mean())
    if share <= MAX_GAP:
        return None
    return f"{share:.0%} of the joint is a gap without signal and with bright rims; at most {MAX_GAP:.0%} is allowed."


def _gaps(plane: FloatArray, air: float) -> FloatArray:
    """The gaps of a slice `[h, w]`: 1 in a gap, else 0."""
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
