"""Finds slices that show nothing or noise, and slices that repeat others."""

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# Correlation of detail. One picture stored twice, rounded or rescaled, has at least this; neighbours 3 mm apart 0.8.
SAME_DETAIL = 0.98
# Share of a slice's detail that its two neighbours explain: up to 0.7 for a measured slice, at least 0.95 for an
# interpolated one.
MAX_EXPLAINED = 0.9
# Fewer interpolated slices than this may be found by chance, if the slices show hardly anything.
MIN_INTERPOLATED = 2
# The second difference along rows and columns: it is small for anatomy (Immerkaer, CVIU 1996).
SECOND_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
# Median of the absolute values of normal noise, as a share of its standard deviation.
MEDIAN_OF_NORMAL = 0.6745
# This share of slices at each end of a stack may show only skin and fat, with outlines that resemble no other slice.
GRAZED = 0.1
# Noise of a pixel of the sketch (1.3 mm) as a share of the contrast; noisy exams at low field strength have 0.08.
MAX_NOISE = 0.25


def blank_volume(sketch: Sketch) -> str | None:
    """A reason if every slice is blank or noise."""
    return None if sketch.shows.any() else "Every slice is blank or noise."


def blank_slices(sketch: Sketch) -> str | None:
    """A reason if slices between others have only one value. At the ends of a stack there may be air."""
    (shown,) = np.nonzero(sketch.shows)
    inside = np.arange(shown[0], shown[-1] + 1)
    empty = inside[~sketch.varies[inside]]
    return f"Slices {_listed(empty)} are blank; slices between others must not be." if empty.size else None


def noise_slices(sketch: Sketch) -> str | None:
    """A reason if slices show noise, fine or in spots, or if noise covers what they show.

    Air at the ends of a stack is allowed.
    """
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
        f"at most {MAX_NOISE:.0%} is allowed."
    )


def _noise(means: FloatArray) -> npt.NDArray[np.float64]:
    """Standard deviation of noise in each of `[slices, h, w]`, as a share of the slice's contrast."""
    low, high = np.percentile(means[:, ::2, ::2], (2, 98), axis=(1, 2))
    second = np.stack([cv2.filter2D(plane, -1, SECOND_DIFFERENCE)[::2, ::2] for plane in means])
    sigma = np.median(np.abs(second), axis=(1, 2)) / MEDIAN_OF_NORMAL / np.linalg.norm(SECOND_DIFFERENCE)
    return np.asarray(sigma / np.maximum(high - low, np.finfo(np.float32).tiny))


def duplicate_slices(sketch: Sketch) -> str | None:
    """A reason if slices have the same fine detail. They may differ in gain and rounding."""
    (shown,) = np.nonzero(sketch.shows)
    alike = np.triu(sketch.detail @ sketch.detail.T, 1)
    pairs = shown[np.argwhere(alike > SAME_DETAIL)]
    if not len(pairs):
        return None
    return (
        f"Slices {_listed(np.unique(pairs))} repeat each other: the correlation of their detail is {alike.max():.3f}; "
        f"at most {SAME_DETAIL:g} is allowed."
    )


def interpolated_slices(sketch: Sketch) -> str | None:
    """A reason if slices weren't measured: their fine detail is a mixture of their neighbours'.

    Slices that repeat each other aren't included.
    """
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
        f"{explained[made].max():.0%} of their detail; at most {MAX_EXPLAINED:.0%} is allowed."
    )


def _listed(indices: np.ndarray) -> str:
    """Slice numbers as text: people count from 1."""
    return ", ".join(map(str, indices + 1))
