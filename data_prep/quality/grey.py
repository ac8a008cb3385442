"""Intensities that lost what they said: cut off at the top, too few levels, hardly any contrast.

Every measure is a share of the picture's own range, so it doesn't matter how the scanner scales its numbers.
"""

import numpy as np

from data_prep.quality.sketch import Sketch

# Voxels within this share of a slice's range below its brightest count as cut off; lossy compression blurs the edge.
TOP_SHARE = 0.005
# MRNet's pictures and many exported ones are stretched so that 1 % of their voxels, at times 2 %, are white: skin,
# vessels and a little fluid. Beyond this a joint's worth of fluid is cut off, and fluid can't be told from cartilage.
MAX_CLIPPED_SHARE = 0.03
# Six bits would be 64 levels; up to 5 bits, steps between levels exceed the noise and look like a map's contours.
MIN_LEVELS = 40
# So many voxels name the levels; counting them in all takes long.
LEVEL_SAMPLE = 100_000
# Spread from the 1st to the 99th percentile as a share of the brightness; air alone gives good pictures over 0.9.
MIN_CONTRAST = 0.3


def clipped(sketch: Sketch) -> str | None:
    """A white plateau in many slices."""
    sample = sketch.sample[sketch.shows]
    top, bottom = sample.max(axis=(1, 2), keepdims=True), sample.min(axis=(1, 2), keepdims=True)
    share = float((sample >= top - TOP_SHARE * (top - bottom)).mean())
    if share <= MAX_CLIPPED_SHARE:
        return None
    return f"{share:.1%} of the voxels have their slice's highest value; {MAX_CLIPPED_SHARE:.0%} is the most."


def flat(sketch: Sketch) -> str | None:
    """Few grey levels, or a little contrast on much brightness."""
    values = sketch.sample[sketch.shows].ravel()
    values = values[:: -(-len(values) // LEVEL_SAMPLE)]
    levels = len(np.unique(values))
    if levels < MIN_LEVELS:
        return f"Only {levels} grey levels; at least {MIN_LEVELS} are needed."
    low, high = np.percentile(values[values > values.min()], (1, 99))
    contrast = float((high - low) / max(abs(low), abs(high)))
    if contrast < MIN_CONTRAST:
        return f"Contrast is {contrast:.0%} of the brightness; at least {MIN_CONTRAST:.0%} is needed."
    return None
