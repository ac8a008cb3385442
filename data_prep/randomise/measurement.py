"""What a scanner adds to a perfect picture: shading, fat that isn't suppressed, low resolution, ghosts, noise, windows.

Shading, blur, noise and gamma are `data_prep.augment`'s; the others aren't there, since they would change a label.
"""

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.augment.intensity import SHADING_CELLS, Appearance, shaded
from data_prep.augment.spline import control_points, smooth_field
from data_prep.randomise.ranges import Ranges
from data_prep.volume import FloatArray


def measured(picture: FloatArray, ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Simulate the measurement of a perfect picture `[H, W]`. Returns a picture in 0..1."""
    picture = low_matrix(picture, rng.uniform(*ranges.low_matrix, 2))
    if rng.random() < ranges.ghost_share:
        picture = with_ghosts(picture, ranges, rng)
    picture = np.maximum(picture / np.float32(np.percentile(picture, 99) + 1e-6), 0)
    half = np.float32(0.5)  # `apply` clips at 1
    appearance = Appearance(
        exponent=1.0,
        blur_pixels=float(rng.uniform(*ranges.blur_pixels)),
        shading=_shading(picture.shape, ranges, rng),
        noise=float(half * rng.uniform(*np.sqrt(ranges.noise)) ** 2),
        seed=int(rng.integers(2**63)),
    )
    picture = windowed(appearance.apply(picture[None] * half)[0], ranges, rng)
    return np.asarray(picture ** np.float32(np.exp(rng.normal(0, ranges.gamma))), np.float32)


def fat_left(size: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Where fat isn't suppressed: shares 0..1 `[H, W]` that grow towards some part of the picture."""
    field = smooth_field(control_points((2, 2), rng), size)
    share = field * np.float32(rng.uniform(1, 4)) - np.float32(rng.uniform(0, 0.5))
    return np.asarray(np.clip(share, 0, 1), np.float32)


def low_matrix(picture: FloatArray, factors: npt.NDArray[np.float64]) -> FloatArray:
    """Measure a picture with fewer rows and columns, by these factors, and enlarge it again."""
    height, width = picture.shape
    small = max(int(width / factors[1]), 8), max(int(height / factors[0]), 8)
    if small == (width, height):
        return picture
    measured_ = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(measured_, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def with_ghosts(picture: FloatArray, ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Add shifted copies, as motion and pulsation do along the phase-encoding direction."""
    axis = int(rng.integers(2))
    shift = max(int(picture.shape[axis] * rng.uniform(0.04, 0.5)), 1)
    ghost = np.roll(picture, shift, axis) + np.roll(picture, -shift, axis)
    return np.asarray(picture + np.float32(rng.uniform(*ranges.ghost)) * ghost, np.float32)


def windowed(picture: FloatArray, ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Percentiles of the picture become 0 and 1, as a window and an 8-bit file make them."""
    low, high = np.percentile(picture, [rng.uniform(*ranges.window_low), rng.uniform(*ranges.window_high)])
    return np.asarray(np.clip((picture - np.float32(low)) / np.float32(max(high - low, 1e-3)), 0, 1), np.float32)


def _shading(size: tuple[int, ...], ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    return shaded((1, *size), float(rng.uniform(*ranges.bias)), control_points(SHADING_CELLS, rng))
