"""Checks that the pictures show one knee, in the middle."""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# A knee's picture is square or a little longer in one direction; above this ratio there is room for two knees.
MAX_ASPECT = 1.8
# At least this percentage of all pixels is air, padding or equally dark tissue. The brightest of them is used as air.
AIR_PERCENTILE = 2
# Between two limbs the brightness falls below this share of the darker limb's, to that of the air around them.
AIR_BETWEEN = 0.12
# Smallest brightness of a limb, as a share of a brighter one's beside it.
OTHER_LIMB = 0.3
# Allowed share of empty slices at one end of the stack. A stack a little wider than the leg has some; with more than
# this, the stack lies beside the knee.
MAX_EMPTY_END = 0.25
# Where a knee is expected: from this share of the slices, or rows, to the same distance from the end.
MIDDLE = 0.25
# A well placed limb's centre of brightness lies within a tenth of the picture's width from the middle.
MAX_OFF_CENTRE = 0.15
# Edges across the leg (condyles, plateau) have at least this share of the power of edges along it, also if a coil
# shades the picture. Shafts and muscles have less.
MIN_ACROSS = 0.145
# Smoothing before edges are measured, in pixels of the sketch: noise has as many edges along the leg as across it.
SMOOTH_PX = 1.5


def two_knees(sketch: Sketch) -> str | None:
    """A reason if the picture is wide enough for two knees, or shows two bodies with air between them."""
    _, rows_mm, columns_mm = (
        size * step for size, step in zip(sketch.volume.shape, sketch.volume.spacing_mm, strict=True)
    )
    aspect = max(rows_mm, columns_mm) / min(rows_mm, columns_mm)
    if aspect > MAX_ASPECT:
        return (
            f"The picture is {columns_mm:.0f} mm wide and {rows_mm:.0f} mm high; at most {MAX_ASPECT:g} to 1 is "
            "allowed."
        )
    means = sketch.means[sketch.shows]
    above_air = means - np.percentile(means, AIR_PERCENTILE)
    valley = min(_valley(above_air.mean(axis=(0, other))) for other in (1, 2))
    if valley > AIR_BETWEEN:
        return None
    return (
        f"Two bodies with air between them: there the brightness is {valley:.0%} of the darker body's; up to "
        f"{AIR_BETWEEN:.0%} counts as air."
    )


def _valley(profile: FloatArray) -> float:
    """How deep a brightness `[n]` falls between two limbs, relative to the darker one; 1 if there is only one limb."""
    left, right = np.maximum.accumulate(profile), np.maximum.accumulate(profile[::-1])[::-1]
    darker = np.minimum(left, right)
    between = darker > OTHER_LIMB * max(float(profile.max()), 0.0)
    return float((profile[between] / darker[between]).min(initial=1.0))


def knee_not_in_view(sketch: Sketch) -> str | None:
    """A reason if the knee lies beside the stack or beside the pictures."""
    return _beside_stack(sketch) or _at_the_border(sketch) or _no_joint(sketch)


def _beside_stack(sketch: Sketch) -> str | None:
    (shown,) = np.nonzero(sketch.shows)
    slices = len(sketch.shows)
    empty = max(int(shown[0]), slices - 1 - int(shown[-1])) / slices
    if empty <= MAX_EMPTY_END:
        return None
    return f"{empty:.0%} of the stack, at one end, lies beside the leg; at most {MAX_EMPTY_END:.0%} is allowed."


def _at_the_border(sketch: Sketch) -> str | None:
    means = _inner_slices(sketch)
    bright = np.clip(means - np.percentile(means, AIR_PERCENTILE), 0, None).sum(axis=(0, 1), dtype=float)
    columns = (np.arange(len(bright)) + 0.5) / len(bright) - 0.5
    centre = float(columns @ bright / bright.sum()) if bright.any() else 0.0
    if abs(centre) <= MAX_OFF_CENTRE:
        return None
    return (
        f"The limb is cut off: its centre lies {abs(centre):.0%} of the picture's width beside the middle; "
        f"at most {MAX_OFF_CENTRE:.0%} is allowed."
    )


def _no_joint(sketch: Sketch) -> str | None:
    across = _edges_across(_inner_slices(sketch))
    if across >= MIN_ACROSS:
        return None
    return (
        f"No joint in the middle of the pictures: edges across the leg have {across:.0%} of the power of those "
        f"along it; a knee has at least {MIN_ACROSS:.0%}."
    )


def _inner_slices(sketch: Sketch) -> FloatArray:
    means = sketch.means[sketch.shows]
    return means[_middle(len(means))]


def _edges_across(means: FloatArray) -> float:
    """Power of edges between rows relative to columns, in the middle rows of `[slices, h, w]`; 1 if there are none."""
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), SMOOTH_PX) for plane in means])
    rows = _middle(smooth.shape[1])
    across = float(np.square(np.diff(smooth, axis=1)[:, rows]).sum())
    along = float(np.square(np.diff(smooth, axis=2)[:, rows]).sum())
    return across / along if along else 1.0


def _middle(size: int) -> slice:
    return slice(int(size * MIDDLE), size - int(size * MIDDLE))
