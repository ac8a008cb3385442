"""What the pictures show: one knee, in the middle, or something else."""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# A knee's picture is square or somewhat longer one way; from here on it has room for two.
MAX_ASPECT = 1.8
# Every picture has some air or padding; what is darker than the rest by this share of all pixels stands for it.
AIR_PERCENTILE = 2
# Between two limbs the picture falls below this share of the darker limb's brightness, down to the air around them.
AIR_BETWEEN = 0.12
# A limb is at least this bright beside a brighter one.
OTHER_LIMB = 0.3
# Empty slices at one end of the stack: a slab a little wider than the leg has some, this many lie beside the knee.
MAX_EMPTY_END = 0.25
# The part of the slices, rows and columns, from here to the same distance from the end, where a knee is expected.
MIDDLE = 0.25
# Edges across the leg (condyles, plateau) have this share of the power of edges along it; shafts and muscles less.
MIN_ACROSS = 0.18
# Smoothing before edges are looked for, in pixels of the sketch: noise has as many edges along as across.
SMOOTH_PX = 1.5


def two_knees(sketch: Sketch) -> str | None:
    """A frame wide enough for two, or two bodies with air between."""
    _, rows_mm, columns_mm = (
        size * step for size, step in zip(sketch.volume.shape, sketch.volume.spacing_mm, strict=True)
    )
    aspect = max(rows_mm, columns_mm) / min(rows_mm, columns_mm)
    if aspect > MAX_ASPECT:
        return f"The picture is {columns_mm:.0f} mm wide and {rows_mm:.0f} mm high; {MAX_ASPECT:g} to 1 is the most."
    means = sketch.means[sketch.shows]
    above_air = means - np.percentile(means, AIR_PERCENTILE)
    valley = min(_valley(above_air.mean(axis=(0, other))) for other in (1, 2))
    if valley > AIR_BETWEEN:
        return None
    return (
        f"Two bodies with air between: {valley:.0%} of the darker one's brightness is left; {AIR_BETWEEN:.0%} is air."
    )


def _valley(profile: FloatArray) -> float:
    """How deep a brightness `[n]` falls between two limbs, relative to the darker one; 1 if there is only one limb."""
    left, right = np.maximum.accumulate(profile), np.maximum.accumulate(profile[::-1])[::-1]
    darker = np.minimum(left, right)
    between = darker > OTHER_LIMB * profile.max()
    return float((profile[between] / darker[between]).min(initial=1.0))


def knee_not_in_view(sketch: Sketch) -> str | None:
    """The stack reaches past the leg, or the pictures' middle shows shafts and muscles instead of a joint."""
    (shown,) = np.nonzero(sketch.shows)
    slices = len(sketch.shows)
    empty = max(int(shown[0]), slices - 1 - int(shown[-1])) / slices
    if empty > MAX_EMPTY_END:
        return f"{empty:.0%} of the stack, at one end, lies beside the leg; {MAX_EMPTY_END:.0%} is the most."
    across = _edges_across(sketch.means[shown])
    if across < MIN_ACROSS:
        return (
            f"No joint in the middle of the pictures: edges across the leg have {across:.0%} of the power of those "
            f"along it, at least {MIN_ACROSS:.0%} in a knee."
        )
    return None


def _edges_across(means: FloatArray) -> float:
    """Power of edges across rows relative to columns, in the middle of `[slices, h, w]`; 1 if there are none."""
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), SMOOTH_PX) for plane in means[_middle(len(means))]])
    rows = _middle(smooth.shape[1])
    across = float(np.square(np.diff(smooth, axis=1)[:, rows]).sum())
    along = float(np.square(np.diff(smooth, axis=2)[:, rows]).sum())
    return across / along if along else 1.0


def _middle(size: int) -> slice:
    return slice(int(size * MIDDLE), size - int(size * MIDDLE))
