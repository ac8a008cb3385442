"""A volume small enough to look at quickly: block means for what is shown, single voxels for how bright they are."""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray, Volume

# Rows and columns of the sketch: 1.3 mm in a picture of 160 mm, enough for bones, and noise is averaged out.
SIZE = 128
# Blocks of the sketch's pixels; noise averages out in them, anatomy doesn't.
BLOCK = 8
# A slice shows something if blocks carry this share of its variance: noise leaves them 1/64, anatomy more than half.
MIN_BLOCK_SHARE = 0.2
# Variance below this share of the volume's is rounding: the means of equal float32s aren't quite equal.
ROUNDING = 1e-6
# Detail finer than this many pixels of the sketch tells neighbouring slices apart.
DETAIL_PX = 1.5
# Rows and columns of the smaller pictures in which slices are compared with each other: 5 mm, outlines and bones.
COARSE = 32
# A slice of a knee resembles this many others by `MIN_LIKENESS`, or a neighbour by `MIN_TO_NEIGHBOUR` (correlations).
# Noise has up to 0.3 with each, also where it is smoothed within slices; inner slices of good exams 0.5 and more.
LIKE, MIN_LIKENESS, MIN_TO_NEIGHBOUR = 4, 0.43, 0.4
# Noise that is smoothed across slices resembles its neighbours, but nothing at this distance; a knee has two sides that
# are alike, so its slices resemble a few far ones. At the ends of a stack single slices may not.
FAR, LIKE_FAR, MIN_FAR, STRANGE_FAR = 6, 3, 0.2, 2
# At least this share of a stack shows one limb before slices that don't can be called noise.
MIN_KNOWN = 1 / 3
# At least this percentage of all pixels is air or padding, or tissue as dark; the brightest of them stands for air.
AIR_PERCENTILE = 2
# Slices at the ends of a stack that are at most this bright, as a share of the bright ones, are air and some skin.
BRIGHT_PERCENTILE, MAX_DARK = 85, 0.3


@dataclass(frozen=True, eq=False)
class Sketch:
    """The slices of a volume with about `SIZE` x `SIZE` pixels each, of the proportions that the matrix has."""

    volume: Volume

    @cached_property
    def step(self) -> int:
        """Rows, and columns, of the volume that make one of the sketch."""
        _, rows, columns = self.volume.shape
        return max(1, round(math.sqrt(rows * columns) / SIZE))

    @cached_property
    def means(self) -> FloatArray:
        """Block means, `[slices, h, w]`, as shares of the largest one."""
        means = _shrunk(self.volume.voxels, self.step)
        return means / np.float32(np.abs(means).max() or 1)

    @cached_property
    def sample(self) -> FloatArray:
        """One voxel of each block as it is, `[slices, h, w]`."""
        half = self.step // 2
        return np.ascontiguousarray(self.volume.voxels[:, half :: self.step, half :: self.step])

    @cached_property
    def detail(self) -> FloatArray:
        """Fine detail of the slices that show something, `[slices, pixels]`, each of length 1."""
        detail = np.stack([plane - cv2.GaussianBlur(plane, (0, 0), DETAIL_PX) for plane in self.means[self.shows]])
        detail = detail.reshape(len(detail), -1)
        detail /= np.linalg.norm(detail, axis=1, keepdims=True)
        return detail

    @cached_property
    def varies(self) -> npt.NDArray[np.bool_]:
        """`[slices]`: which slices have more than one value."""
        varies: npt.NDArray[np.bool_] = self.means.var(axis=(1, 2)) > ROUNDING * self.means.var()
        return varies

    @cached_property
    def shows(self) -> npt.NDArray[np.bool_]:
        """`[slices]`: which slices show more than one value, fine noise, or blots that no other slice has."""
        total = self.means.var(axis=(1, 2))
        blocks = _shrunk(self.means, BLOCK).var(axis=(1, 2))
        shows: npt.NDArray[np.bool_] = self.varies & (blocks > MIN_BLOCK_SHARE * total)
        known = shows & ~self.stranger
        return known if known.sum() > MIN_KNOWN * len(known) else shows

    @cached_property
    def stranger(self) -> npt.NDArray[np.bool_]:
        """`[slices]`: which slices are bright and resemble no others; none in a short stack."""
        slices = len(self.means)
        if slices < 3 * FAR:
            return np.zeros(slices, bool)
        size = (COARSE, COARSE)
        flat = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA).ravel() for plane in self.means])
        flat -= flat.mean(axis=1, keepdims=True)
        flat /= np.linalg.norm(flat, axis=1, keepdims=True) + np.float32(ROUNDING)
        alike = flat @ flat.T
        apart = np.abs(np.subtract.outer(np.arange(slices), np.arange(slices)))
        to_neighbour = np.where(apart == 1, alike, -1).max(axis=1)
        to_some = np.partition(np.where(apart > 0, alike, -1), -LIKE, axis=1)[:, -LIKE]
        to_far = np.partition(np.where(apart >= FAR, alike, -1), -LIKE_FAR, axis=1)[:, -LIKE_FAR]
        bright = self.varies & ~self.dark
        alone = bright & (to_some < MIN_LIKENESS) & (to_neighbour < MIN_TO_NEIGHBOUR)
        far = bright & (to_far < MIN_FAR)
        stranger: npt.NDArray[np.bool_] = alone | far if far.sum() >= STRANGE_FAR else alone
        return stranger

    @cached_property
    def dark(self) -> npt.NDArray[np.bool_]:
        """`[slices]`: which slices are about as dark as air, or hold no more than the skin at the limb's side."""
        brightness = self.means.mean(axis=(1, 2)) - self.air
        dark: npt.NDArray[np.bool_] = brightness < MAX_DARK * np.percentile(brightness, BRIGHT_PERCENTILE)
        return dark

    @cached_property
    def air(self) -> float:
        """How bright air is, or padding, or tissue as dark, in the sketch's terms."""
        return float(np.percentile(self.means[self.varies], AIR_PERCENTILE)) if self.varies.any() else 0.0


def _shrunk(planes: FloatArray, step: int) -> FloatArray:
    """Means of `step` x `step` pixels, `[slices, rows // step, columns // step]`; what is left at the border is cut."""
    rows, columns = (max(1, size // step) for size in planes.shape[1:])
    cut = planes[:, : rows * step, : columns * step]
    return np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in cut])
