"""Blur: a moving leg, a wrong filter, or a small picture enlarged. Edges are then wide and low."""

import math

import numpy as np

from data_prep.quality.sketch import Sketch

# The steepest edges of a sharp exam rise by half of the picture's contrast in one pixel of the sketch (1.3 mm).
STEEPEST_PERCENTILE = 99.5
MIN_STEP = 0.38
# What is darker or brighter than these percentiles isn't contrast.
RANGE = (2, 98)


def blurred(sketch: Sketch) -> str | None:
    """No steep edge anywhere."""
    means = sketch.means[sketch.shows]
    low, high = np.percentile(means[:, ::2, ::2], RANGE)
    corner = means[:, 1:, 1:]
    squares = np.square(corner - means[:, 1:, :-1]) + np.square(corner - means[:, :-1, 1:])
    if not squares.size or high <= low:
        return None
    step = math.sqrt(np.percentile(squares, STEEPEST_PERCENTILE)) / float(high - low)
    if step >= MIN_STEP:
        return None
    return (
        f"The steepest edges rise by {step:.0%} of the contrast in a 128th of the picture; {MIN_STEP:.0%} is the least."
    )
