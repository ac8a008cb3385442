"""Slices that show nothing or noise, and slices that show what others show."""

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# Detail of one picture stored twice, rounded or rescaled, correlates at least so; that of neighbours 3 mm apart, 0.8.
SAME_DETAIL = 0.98
# Of a measured slice's detail, its two neighbours explain up to 0.7; of an interpolated one's, 0.95 and more.
MAX_EXPLAINED = 0.9
# Fewer interpolated slices than this are found by chance, where hardly anything is shown.
MIN_INTERPOLATED = 2
# The second difference along rows and columns, which anatomy hardly has: Immerkaer, CVIU 1996.
SECOND_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
# Median of the absolute values of normal noise, as a share of its standard deviation.
MEDIAN_OF_NORMAL = 0.6745
# So many slices at each end of a stack may graze skin and fat, where outlines resemble nothing.
GRAZED = 0.1
# Noise of a pixel of the sketch (1.3 mm) as a share of the contrast; noisy exams of low field have 0.08.
MAX_NOISE = 0.25


def blank_volume(sketch: Sketch) -> str | None:
    """Nothing but noise in every slice."""
    return None if sketch.shows.any() else "Every slice is blank or noise."


def blank_slices(sketch: Sketch) -> str | None:
    """Slices of one value between others; at the ends of a stack there may be air."""
    (shown,) = np.nonzero(sketch.shows)
    inside = np.arange(shown[0], shown[-1] + 1)
    empty = inside[~sketch.varies[inside]]
    return f"Slices {_listed(empty)} are blank; none between others may be." if empty.size else None


def noise_slices(sketch: Sketch) -> str | None:
    """Slices of noise, fine or in blots, and slices in which noise covers what they show; not air at a stack's ends."""
    (shown,) = np.nonzero(sketch.shows)
    order = np.arange(len(sketch.shows))
    inside = (order > shown[0]) & (order < shown[-1])
    grazed = int(len(order) * GRAZED)
    inner = (order >= grazed) & (order < len(order) - grazed)
    empty = np.flatnonzero(sketch.varies & ~sketch.shows & (inside | (inner & ~sketch.dark)))
    if empty.size:
        return f"Slices {_listed(empty)} show noise, or something that no other slice shows."
    noise = _noise(sketch.means[shown])
    loud = noise > MAX_NOISE
    loud &= ~sketch.dark[shown]
    if not loud.any():
        return None
    return (
        f"In slices {_listed(shown[loud])} noise is up to {noise[loud].max():.0%} of the contrast; "
        f"{MAX_NOISE:.0%} is the most."
    )


def _noise(means: FloatArray) -> npt.NDArray[np.float64]:
    """Standard deviation of noise in each of `[slices, h, w]`, as a share of the slice's contrast."""
    low, high = np.percentile(means[:, ::2, ::2], (2, 98), axis=(1, 2))
    second = np.stack([cv2.filter2D(plane, -1, SECOND_DIFFERENCE)[::2, ::2] for plane in means])
    sigma = np.median(np.abs(second), axis=(1, 2)) / MEDIAN_OF_NORMAL / np.linalg.norm(SECOND_DIFFERENCE)
    return np.asarray(sigma / np.maximum(high - low, np.finfo(np.float32).tiny))


def duplicate_slices(sketch: Sketch) -> str | None:
    """Pairs of slices with the same fine detail, whatever their gain and rounding."""
    (shown,) = np.nonzero(sketch.shows)
    alike = np.triu(sketch.detail @ sketch.detail.T, 1)
    pairs = shown[np.argwhere(alike > SAME_DETAIL)]
    if not len(pairs):
        return None
    return (
        f"Slices {_listed(np.unique(pairs))} repeat each other: their detail correlates by {alike.max():.3f}, "
        f"{SAME_DETAIL:g} is the most."
    )


def interpolated_slices(sketch: Sketch) -> str | None:
    """Slices that weren't measured: their fine detail is a mixture of their neighbours'. Repeated ones aren't meant."""
    (shown,) = np.nonzero(sketch.shows)
    alike = sketch.detail @ sketch.detail.T
    before, after, between = (np.diag(alike, 1)[:-1], np.diag(alike, 1)[1:], np.diag(alike, 2))
    # The share of a unit vector that lies in the plane of two others, from their cosines.
    explained = (before**2 + after**2 - 2 * before * after * between) / np.maximum(1 - between**2, 1e-6)
    made = (explained > MAX_EXPLAINED) & (np.maximum(np.maximum(before, after), between) <= SAME_DETAIL)
    if made.sum() < MIN_INTERPOLATED:
        return None
    return (
        f"Slices {_listed(shown[1:-1][made])} are interpolated: their neighbours explain up to "
        f"{explained[made].max():.0%} of their detail, {MAX_EXPLAINED:.0%} is the most."
    )


def _listed(indices: np.ndarray) -> str:
    """Numbers from 0, as a heatmap's slices are counted."""
    return ", ".join(map(str, indices))
