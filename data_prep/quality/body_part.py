"""Finds another part of the body than a knee, by headers or by pixels.

In a sagittal picture of the knee, the leg continues beyond the top and the bottom border; a head, a shoulder and a foot
end within the picture. A spine continues too, but its vertebrae repeat. A shaft without a joint is `knee-not-in-view`.
"""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.selection.body_part import OTHER_BODY_PART
from data_prep.volume import FloatArray, Volume

# Share of the slices at each end of the stack that isn't checked: they may only touch the side of the leg.
ENDS = 1 / 6
# A pixel above this share of the range from dark to bright belongs to the body: air is at 0, skin far above.
BODY, DARK_PERCENTILE, BRIGHT_PERCENTILE = 0.1, 2, 90
# Padding has one value in all slices; a smaller change is rounding. Padding is above and below the picture.
ROUNDING = 1e-6
# Number of outermost rows of the sketch in which the leg is searched: a real scan fades in the last ones.
BORDER = 6
# Smallest width of a leg there, as a share of its width in the middle. 180 good knees, many of them shaded by a surface
# coil, all have at least 0.43; a real one has 0.41 at its latest echo, which fades most. A body that ends mostly has 0.
MIN_WIDTH = 0.3
# Rows and columns in which repetitions are searched, after brightness is levelled over `LEVELLED` rows.
ROWS, COLUMNS, LEVELLED = 96, 16, 25
# Rows from one vertebra to the next: from 16 of them in a picture to 4.
STEPS = range(6, 25)
# Number of columns that must repeat in one slice, and the highest allowed correlation at one step and at two. Knees
# have up to 0.61, spines mostly at least 0.7.
REPEATING, MAX_REPETITION = 2, 0.62


def named_otherwise(volume: Volume) -> str | None:
    """A reason if the headers name another part of the body: the volume then has a notice about it."""
    return next((notice.message for notice in volume.notices if notice.code == OTHER_BODY_PART), None)


def wrong_body_part(sketch: Sketch) -> str | None:
    """A reason if the body ends in the picture or repeats. None if the headers already name another part."""
    if named_otherwise(sketch.volume):
        return None
    shown = sketch.means[sketch.shows]
    inner = shown[int(len(shown) * ENDS) : len(shown) - int(len(shown) * ENDS)]
    width = _width_at_the_border(inner)
    if width < MIN_WIDTH:
        return (
            f"The body ends in the pictures: at the top or the bottom it has {width:.0%} of its width in the middle; "
            f"a knee has at least {MIN_WIDTH:.0%}."
        )
    repetition = _repetition(inner[::2])
    if repetition > MAX_REPETITION:
        return (
            f"The pictures repeat from top to bottom, as those of a spine do: their correlation is {repetition:.2f}; "
            f"a knee has at most {MAX_REPETITION:g}."
        )
    return None


def _width_at_the_border(planes: FloatArray) -> float:
    """Width of the body at its narrower end, as a share of the middle: the median over `[slices, h, w]`."""
    planes = _without_padding(planes)
    dark, bright = np.percentile(planes, (DARK_PERCENTILE, BRIGHT_PERCENTILE))
    widths = (planes - dark > BODY * (bright - dark)).mean(axis=2)
    quarter = widths.shape[1] // 4
    middle = np.median(widths[:, quarter:-quarter], axis=1)
    ends = (np.median(side[:, :BORDER].max(axis=1) / middle) for side in (widths, widths[:, ::-1]))
    return float(np.nan_to_num(min(ends)))


def _without_padding(planes: FloatArray) -> FloatArray:
    (rows,) = np.nonzero(np.ptp(planes, axis=(0, 2)) > ROUNDING)
    padded = min(rows[0], planes.shape[1] - 1 - rows[-1])
    return planes[:, padded : planes.shape[1] - padded]


def _repetition(planes: FloatArray) -> float:
    """The highest correlation of rows with those one and two steps below, in `REPEATING` columns of one slice."""
    small = np.stack([cv2.resize(plane, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA) for plane in planes])
    levelled = small - np.stack([cv2.blur(plane, (1, LEVELLED)) for plane in small])
    best = 0.0
    for step in STEPS:
        alike = np.sort(np.minimum(_correlation(levelled, step), _correlation(levelled, 2 * step)), axis=1)
        best = max(best, float(alike[:, -REPEATING:].mean(axis=1).max()))
    return best


def _correlation(planes: FloatArray, step: int) -> FloatArray:
    """Correlation of each column of `[slices, rows, columns]` with itself `step` rows below: `[slices, columns]`."""
    above, below = planes[:, :-step], planes[:, step:]
    power = np.square(above).sum(axis=1) * np.square(below).sum(axis=1)
    return np.asarray((above * below).sum(axis=1) / np.sqrt(power + ROUNDING**2), np.float32)
