"""The ranges of the changes, and one draw from them for a whole exam: its slices, masks and boxes.

Never a mirror image or reversed slices: both swap anatomy. One draw for all slices: a knee stays one knee.
"""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from data_prep.augment.geometry import BEND_CELLS, BEND_LIMIT, Warp, bent, cropped, sheared, turned
from data_prep.augment.intensity import SHADING_CELLS, Appearance, shaded
from data_prep.augment.spline import control_points
from data_prep.boxes import Box, bounding_box, filled
from data_prep.volume import FloatArray

Mask = npt.NDArray[np.bool_]
Shape = tuple[int, int, int]

# Where a range ends, because beyond it a picture would be turned inside out, folded or empty.
LIMITS = {"scale": 1.0, "shear_degrees": 90.0, "crop": 1.0, "elastic": BEND_LIMIT, "drop": 1.0}


@dataclass(frozen=True, eq=False)
class Draw:
    """One change, the same for everything that belongs to an exam of `shape` (slices, height, width).

    kept: bool `[S]`, the slices that aren't blanked. ValueError for arrays of another shape.
    """

    shape: Shape
    warp: Warp
    appearance: Appearance
    kept: Mask

    def slices(self, slices: FloatArray) -> FloatArray:
        """Float32 `[S, H, W]` in 0..1 -> the same shape and range."""
        self._check(slices.shape)
        changed = self.appearance.apply(self.warp.slices(slices))
        changed[~self.kept] = 0
        return changed

    def mask(self, mask: Mask) -> Mask:
        """Bool `[S, H, W]`, moved as the slices are; empty in blanked slices, where nothing is left to be found."""
        self._check(mask.shape)
        moved = self.warp.mask(mask)
        moved[~self.kept] = False
        return moved

    def box(self, box: Box) -> Box | None:
        """The smallest box around the moved one, so it holds what the old one held; None if nothing is left of it."""
        moved = self.mask(filled(box, self.shape))
        return bounding_box(moved) if moved.any() else None

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise ValueError(f"this draw is for slices of {self.shape}, not of {shape}")


@dataclass(frozen=True)
class Augmentation:
    """Half-ranges of uniform draws; crop, shading, blur and noise are drawn from 0 up. 0 leaves that out.

    rotation_degrees: about the slice's centre. shift: as a fraction of the slice's size. scale: 0.1 is 0.9 to 1.1.
    gamma: exponent of the intensities, as exp(draw).
    shear_degrees: how far columns lean. crop: how much of each side a window may leave out; it is enlarged to the
        whole slice. elastic: farthest that a smooth bend moves a pixel, as a fraction of the slice's size.
    shading: of the coil, as exp(field); the range is for the field's extreme. blur_pixels: standard deviation.
    noise: standard deviation; the intensities go from 0 to 1. drop: how likely each slice is blanked, never all.

    Large shifts, crops or drops can take the ligament out of the picture, and the label would be wrong. ValueError
    names a range that is negative or too large.
    """

    rotation_degrees: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    gamma: float = 0.0
    shear_degrees: float = 0.0
    crop: float = 0.0
    elastic: float = 0.0
    shading: float = 0.0
    blur_pixels: float = 0.0
    noise: float = 0.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < LIMITS.get(name, np.inf):
                raise ValueError(f"{name} must be from 0 to below {LIMITS.get(name, np.inf):.4g}, not {value}")

    def apply(self, slices: FloatArray, random: np.random.Generator) -> FloatArray:
        """Slices `[S, H, W]` in 0..1 -> the same shape and range, by a draw of its own. No ranges: no change."""
        if self == Augmentation():
            return slices
        count, height, width = slices.shape
        return self.draw((count, height, width), random).slices(slices)

    def draw(self, shape: Shape, random: np.random.Generator) -> Draw:
        """A change for slices of `shape`. Every range has draws of its own: switching one on leaves the others."""
        turn, down, right, zoom, bend = random.uniform(-1, 1, 5)
        place, scanner, loss = random.spawn(3)
        size = shape[1:]
        matrix = turned(
            size, turn * self.rotation_degrees, 1 + zoom * self.scale, right * self.shift, down * self.shift
        )
        return Draw(
            shape,
            self._warp(size, matrix, place),
            self._appearance(shape, float(np.exp(bend * self.gamma)), scanner),
            self._kept(shape[0], loss),
        )

    def _warp(self, size: tuple[int, int], turn: npt.NDArray[np.float64], random: np.random.Generator) -> Warp:
        lean = random.uniform(-1, 1)
        narrow, right, down = random.uniform(0, 1, 3)
        matrix = cropped(size, 1 - narrow * self.crop, right, down) @ turn @ sheared(size, lean * self.shear_degrees)
        control = self.elastic * np.stack([control_points(BEND_CELLS, random) for _ in range(2)])
        return Warp(matrix, bent(size, control) if self.elastic else None)

    def _appearance(self, shape: Shape, exponent: float, random: np.random.Generator) -> Appearance:
        soft, grainy, uneven = random.uniform(0, 1, 3)
        control = control_points(SHADING_CELLS, random)
        return Appearance(
            exponent,
            blur_pixels=soft * self.blur_pixels,
            shading=shaded(shape, uneven * self.shading, control) if self.shading else None,
            noise=grainy * self.noise,
            seed=int(random.integers(2**63)),
        )

    def _kept(self, slices: int, random: np.random.Generator) -> Mask:
        """Bool `[S]`; where the draws would blank all slices, the luckiest stays."""
        luck = random.uniform(0, 1, slices)
        kept: Mask = (luck >= self.drop) | (luck == luck.max())
        return kept
