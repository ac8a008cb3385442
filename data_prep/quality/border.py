"""Wraparound: what lies beside the field of view is folded onto its other side.

Sampling in k-space makes a picture periodic along the phase direction. If a limb is larger than the field of view, the
first and the last line are neighbours and show the same detail. In other pictures they have nothing in common.
"""

import cv2
import numpy as np

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# Sizes of detail along a border, in pixels of the sketch: coarser than the first (noise) and finer than the second.
NOISE_PX, DETAIL_PX = 1.0, 4.0
# Left and right borders of good pictures have nothing in common (up to 0.16); thigh above and calf below have similar
# outlines (up to 0.5). Folded ones correlate by 0.2 to 0.98.
MAX_ALIKE = {"left and right": 0.15, "top and bottom": 0.6}
# Borders darker than this share of the picture's mean show air, or signal that a filter spreads across them.
MIN_BRIGHTNESS = 0.3


def wraparound(sketch: Sketch) -> str | None:
    """A reason if the picture continues from one border to the opposite one."""
    means = sketch.means[sketch.shows] - sketch.air
    dark = MIN_BRIGHTNESS * float(means.mean())
    borders = {"left and right": (means[:, :, 0], means[:, :, -1]), "top and bottom": (means[:, 0], means[:, -1])}
    for name, (first, last) in borders.items():
        alike, most = _alike(first, last), MAX_ALIKE[name]
        if min(first.mean(), last.mean()) > dark and alike > most:
            return (
                f"The picture continues from one border to the opposite one ({name}): their correlation is "
                f"{alike:.2f}; at most {most:g} is allowed. Something beside the field of view is folded into it."
            )
    return None


def _alike(first: FloatArray, last: FloatArray) -> float:
    """Correlation of the detail of two lines in each slice, `[slices, pixels]`."""
    a, b = (_along(line, NOISE_PX) for line in (first, last))
    a, b = (line - _along(line, DETAIL_PX) for line in (a, b))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / norm if norm else 0.0


def _along(lines: FloatArray, sigma: float) -> FloatArray:
    """Lines `[slices, pixels]`, each blurred by itself."""
    return np.asarray(cv2.GaussianBlur(lines, (0, 0), sigmaX=sigma, sigmaY=1e-2), np.float32)
