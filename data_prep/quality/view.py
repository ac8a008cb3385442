"""What the pictures show: one knee, in the middle, or something else."""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# A knee's picture is square or somewhat longer one way; from here on it has room for two.
MAX_ASPECT = 1.8
# At least this percentage of all pixels is air or padding, or tissue as dark; the brightest of them stands for air.
AIR_PERCENTILE = 2
# Between two limbs the picture falls below this share of the darker limb's brightness, down to the air around them.
AIR_BETWEEN = 0.12
# A limb is at least this bright beside a brighter one.
OTHER_LIMB = 0.3
# Empty slices at one end of the stack: a slab a little wider than the leg has some, this many lie beside the knee.
MAX_EMPTY_END = 0.25
# Where a knee is expected: from this share of the slices, or rows, to the same distance from the end.
MIDDLE = 0.25
# A well placed limb's centre of brightness lies within a tenth of the picture's width from the middle.
MAX_OFF_CENTRE = 0.15
# Edges across the leg (condyles, plateau) have this share of the power of edges along it, also where a coil shades the
# picture; shafts and muscles less.
MIN_ACROSS = 0.145
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
    between = darker > OTHER_LIMB * max(float(profile.max()), 0.0)
    return float((profile[between] / darker[between]).min(initial=1.0))


def knee_not_in_view(sketch: Sketch) -> str | None:
    """The knee lies beside the stack or beside the pictures."""
    return _beside_stack(sketch) or _at_the_border(sketch) or _no_joint(sketch)


def _beside_stack(sketch: Sketch) -> str | None:
    (shown,) = np.nonzero(sketch.shows)
    slices = len(sketch.shows)
    empty = max(int(shown[0]), slices - 1 - int(shown[-1])) / slices
    if empty <= MAX_EMPTY_END:
        return None
    return f"{empty:.0%} of the stack, at one end, lies beside the leg; {MAX_EMPTY_END:.0%} is the most."


def _at_the_border(sketch: Sketch) -> str | None:
    means = _inner_slices(sketch)
    bright = np.clip(means - np.percentile(means, AIR_PERCENTILE), 0, None).sum(axis=(0, 1), dtype=float)
    columns = (np.arange(len(bright)) + 0.5) / len(bright) - 0.5
    centre = float(columns @ bright / bright.sum()) if bright.any() else 0.0
    if abs(centre) <= MAX_OFF_CENTRE:
        return None
    return (
        f"The limb is cut off: its brightness lies {abs(centre):.0%} of the picture's width beside the middle, "
        f"{MAX_OFF_CENTRE:.0%} is the most."
    )


def _no_joint(sketch: Sketch) -> str | None:
    across = _edges_across(_inner_slices(sketch))
    if across >= MIN_ACROSS:
        return None
    return (
        f"No joint in the middle of the pictures: edges across the leg have {across:.0%} of the power of those "
        f"along it, at least {MIN_ACROSS:.0%} in a knee."
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
