"""Blur: a moving leg, a wrong filter, or a small picture that was enlarged. Edges are then wide and low."""

import math

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# The steepest edges of a sharp exam rise by half of the picture's contrast in one pixel of the sketch (1.3 mm).
STEEPEST_PERCENTILE = 99.5
MIN_STEP = 0.42
# Brightness is divided by that of the surroundings, this many pixels of the sketch wide, to remove a coil's shading.
# This share of the brightest surroundings is added, so that air doesn't become bright.
SURROUNDINGS_PX, FLOOR = 12.0, 0.15
# The contrast is the range between these percentiles.
RANGE = (2, 98)


def blurred(sketch: Sketch) -> str | None:
    """A reason if there is no steep edge anywhere."""
    means = np.stack([_evened(plane) for plane in sketch.means[sketch.shows]])
    low, high = np.percentile(means[:, ::2, ::2], RANGE)
    corner = means[:, 1:, 1:]
    squares = np.square(corner - means[:, 1:, :-1]) + np.square(corner - means[:, :-1, 1:])
    if not squares.size or high <= low:
        return None
    step = math.sqrt(np.percentile(squares, STEEPEST_PERCENTILE)) / float(high - low)
    if step >= MIN_STEP:
        return None
    return (
        f"The steepest edges rise by {step:.0%} of the contrast in a 128th of the picture; at least {MIN_STEP:.0%} is "
        "needed."
    )


def _evened(plane: FloatArray) -> FloatArray:
    """A slice `[h, w]` without a coil's shading."""
    around = cv2.GaussianBlur(plane, (0, 0), SURROUNDINGS_PX)
    floor = np.float32(FLOOR * float(around.max()))
    return np.asarray(plane / (around + floor) if floor > 0 else plane, np.float32)
