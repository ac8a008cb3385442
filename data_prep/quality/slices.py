"""Slices that show nothing, and slices that show what another one shows."""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch

# Detail finer than this many pixels of the sketch tells neighbouring slices apart.
DETAIL_PX = 1.5
# Detail of one picture stored twice, rounded or rescaled, correlates at least so; that of neighbours 3 mm apart, 0.8.
SAME_DETAIL = 0.98


def blank_volume(sketch: Sketch) -> str | None:
    """Nothing but noise in every slice."""
    return None if sketch.shows.any() else "Every slice is blank or noise."


def blank_slices(sketch: Sketch) -> str | None:
    """Blank or noise-only slices between others; at the ends of a stack there may be air."""
    (shown,) = np.nonzero(sketch.shows)
    inside = np.arange(shown[0], shown[-1] + 1)
    empty = inside[~sketch.shows[inside]]
    return f"Slices {_listed(empty)} are blank or noise; none between others may be." if empty.size else None


def duplicate_slices(sketch: Sketch) -> str | None:
    """Pairs of slices with the same fine detail, whatever their gain and rounding."""
    (shown,) = np.nonzero(sketch.shows)
    detail = np.stack([plane - cv2.GaussianBlur(plane, (0, 0), DETAIL_PX) for plane in sketch.means[shown]])
    detail = detail.reshape(len(shown), -1)
    detail /= np.linalg.norm(detail, axis=1, keepdims=True)
    alike = np.triu(detail @ detail.T, 1)
    pairs = shown[np.argwhere(alike > SAME_DETAIL)]
    if not len(pairs):
        return None
    return (
        f"Slices {_listed(np.unique(pairs))} repeat each other: their detail correlates by {alike.max():.3f}, "
        f"{SAME_DETAIL:g} is the most."
    )


def _listed(indices: np.ndarray) -> str:
    """Numbers from 0, as a heatmap's slices are counted."""
    return ", ".join(map(str, indices))
