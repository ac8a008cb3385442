"""Intensities that lost information: cut off at the top, too few levels, or hardly any contrast.

Every measure is a share of the picture's own range, so it doesn't matter how the scanner scales its numbers.
"""

import numpy as np

from data_prep.quality.sketch import Sketch

# Voxels count as cut off if they are at most this share of the slice's range below its brightest voxel; lossy
# compression changes the brightest values a little.
TOP_SHARE = 0.005
# MRNet's pictures and many exported ones are stretched so that 1 % of their voxels, sometimes 2 %, are white: skin,
# vessels and a little fluid. Above this limit all fluid of a joint is cut off and looks like cartilage.
MAX_CLIPPED_SHARE = 0.03
# Six bits would be 64 levels. With 5 bits or less, steps between levels exceed the noise and look like contour lines.
MIN_LEVELS = 40
# Levels are counted in this many voxels, since counting in all voxels takes long.
LEVEL_SAMPLE = 100_000
# Range from the 1st to the 99th percentile as a share of the brightness. Good pictures have over 0.9, since they show
# air.
MIN_CONTRAST = 0.3


def clipped(sketch: Sketch) -> str | None:
    """A reason if too many voxels are cut off at the top."""
    sample = sketch.sample[sketch.shows]
    top, bottom = sample.max(axis=(1, 2), keepdims=True), sample.min(axis=(1, 2), keepdims=True)
    share = float((sample >= top - TOP_SHARE * (top - bottom)).mean())
    if share <= MAX_CLIPPED_SHARE:
        return None
    return f"{share:.1%} of the voxels have their slice's highest value; at most {MAX_CLIPPED_SHARE:.0%} is allowed."


def flat(sketch: Sketch) -> str | None:
    """A reason if there are few grey levels, or little contrast at high brightness."""
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
