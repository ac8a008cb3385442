"""A small version of a volume for quick checks: block means show the anatomy, single voxels give the brightness."""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray, Volume

# Rows and columns of the sketch: 1.3 mm in a picture of 160 mm, enough for bones, and noise is averaged out.
SIZE = 128
# Size of blocks, in pixels of the sketch. The mean of a block contains little noise, but it shows the anatomy.
BLOCK = 8
# A slice shows something if block means have this share of its variance: noise has 1/64, anatomy more than half.
MIN_BLOCK_SHARE = 0.2
# Variance below this share of the volume's is rounding: the means of equal float32 values differ a little.
ROUNDING = 1e-6
# Neighbouring slices differ in detail finer than this many pixels of the sketch.
DETAIL_PX = 1.5
# Rows and columns of the smaller pictures that are compared with each other: 5 mm, for outlines and bones.
COARSE = 32
# A slice of a knee has a correlation of `MIN_LIKENESS` with this many others, or of `MIN_TO_NEIGHBOUR` with a
# neighbour. Noise has up to 0.3 with each, also if it is smoothed within slices; inner slices of good exams have at
# least 0.5.
LIKE, MIN_LIKENESS, MIN_TO_NEIGHBOUR = 4, 0.43, 0.4
# Noise that is smoothed across slices resembles its neighbours, but no slice at this distance. A knee has two similar
# sides, so its slices resemble a few far ones; single slices at the ends of a stack may not.
FAR, LIKE_FAR, MIN_FAR, STRANGE_FAR = 6, 3, 0.2, 2
# Slices are called noise only if at least this share of the stack shows one limb.
MIN_KNOWN = 1 / 3
# At least this percentage of all pixels is air, padding or equally dark tissue. The brightest of them is used as air.
AIR_PERCENTILE = 2
# Slices at the ends of a stack that are at most this bright, as a share of the bright ones, are air and some skin.
BRIGHT_PERCENTILE, MAX_DARK = 85, 0.3


@dataclass(frozen=True, eq=False)
class Sketch:
    """The slices of a volume with about `SIZE` x `SIZE` pixels each, in the proportions of the volume's matrix."""

    volume: Volume

    @cached_property
    def step(self) -> int:
        """Number of rows, and of columns, of the volume that make one of the sketch."""
        _, rows, columns = self.volume.shape
        return max(1, round(math.sqrt(rows * columns) / SIZE))

    @cached_property
    def means(self) -> FloatArray:
        """Block means, float32 `[slices, h, w]`, as shares of the largest one."""
        means = _shrunk(self.volume.voxels, self.step)
        return means / np.float32(np.abs(means).max() or 1)

    @cached_property
    def sample(self) -> FloatArray:
        """One unchanged voxel of each block, `[slices, h, w]`."""
        half = self.step // 2
        return np.ascontiguousarray(self.volume.voxels[:, half :: self.step, half :: self.step])

    @cached_property
    def detail(self) -> FloatArray:
        """Fine detail of the slices that show something, `[slices, pixels]`; each slice has the norm 1."""
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
        """`[slices]`: which slices show more than one value, fine noise, or spots that no other slice has."""
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
        """`[slices]`: which slices are about as dark as air, or show only the skin at the limb's side."""
        brightness = self.means.mean(axis=(1, 2)) - self.air
        dark: npt.NDArray[np.bool_] = brightness < MAX_DARK * np.percentile(brightness, BRIGHT_PERCENTILE)
        return dark

    @cached_property
    def air(self) -> float:
        """Brightness of air, padding or equally dark tissue, in the units of `means`."""
        return float(np.percentile(self.means[self.varies], AIR_PERCENTILE)) if self.varies.any() else 0.0


def _shrunk(planes: FloatArray, step: int) -> FloatArray:
    """Means of `step` x `step` pixels, `[slices, rows // step, columns // step]`; the rest at the border is cut off."""
    rows, columns = (max(1, size // step) for size in planes.shape[1:])
    cut = planes[:, : rows * step, : columns * step]
    return np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in cut])
