"""The ranges of the changes, and one draw from them for a whole exam: its slices, masks and boxes.

There are no mirror images and no reversed slices, since both swap parts of the anatomy. One draw is used for all slices
of an exam, so that they still show one knee.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from data_prep.augment.geometry import BEND_CELLS, BEND_LIMIT, Warp, bent, cropped, sheared, turned
from data_prep.augment.intensity import SHADING_CELLS, Appearance, shaded
from data_prep.augment.spline import control_points
from data_prep.boxes import Box, bounding_box, filled
from data_prep.volume import FloatArray

Mask = npt.NDArray[np.bool_]
Shape = tuple[int, int, int]

# Upper limits of the ranges. Beyond them a picture would be inverted, folded or empty.
LIMITS = {"scale": 1.0, "shear_degrees": 90.0, "crop": 1.0, "elastic": BEND_LIMIT, "drop": 1.0}


@dataclass(frozen=True, eq=False)
class Draw:
    """One change, the same for everything that belongs to an exam.

    All methods raise ValueError for an array of another shape.

    Attributes:
        shape: (slices, height, width) of the exam.
        warp: Where pixels move.
        appearance: How intensities change.
        kept: Bool `[S]`, the slices that aren't blanked.
    """

    shape: Shape
    warp: Warp
    appearance: Appearance
    kept: Mask

    def slices(self, slices: FloatArray) -> FloatArray:
        """Change slices, float32 `[S, H, W]` in 0..1. The result has the same shape and range.

        Of `[S, H, W, 2]` the second channel is a mask with a soft edge: it is moved, and keeps its values.
        """
        if slices.ndim == 4:
            return np.stack([self.slices(slices[..., 0]), self._soft_mask(slices[..., 1])], axis=-1)
        self._check(slices.shape)
        changed = self.appearance.apply(self.warp.slices(slices))
        changed[~self.kept] = 0
        return changed

    def mask(self, mask: Mask) -> Mask:
        """Move a mask, bool `[S, H, W]`, like the slices. It is empty in blanked slices."""
        self._check(mask.shape)
        moved = self.warp.mask(mask)
        moved[~self.kept] = False
        return moved

    def _soft_mask(self, mask: FloatArray) -> FloatArray:
        moved = self.warp.slices(np.ascontiguousarray(mask))
        moved[~self.kept] = 0
        return moved

    def box(self, box: Box) -> Box | None:
        """The smallest box that holds all of the moved box; None if the moved box is empty."""
        moved = self.mask(filled(box, self.shape))
        return bounding_box(moved) if moved.any() else None

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise ValueError(f"this draw is for slices of {self.shape}, not of {shape}")


@dataclass(frozen=True)
class Augmentation:
    """The ranges of the random changes.

    Draws are uniform from minus the range to the range; crop, shading, blur and noise are drawn from 0 to the range.
    With 0, that change is left out. Large shifts, crops or drops can move the ligament out of the picture; the label
    is then wrong.

    Attributes:
        rotation_degrees: Rotation about the slice's centre, in degrees.
        shift: Fraction of the slice's size.
        scale: 0.1 means factors of 0.9 to 1.1.
        gamma: The exponent of the intensities is exp(draw).
        shear_degrees: How far columns lean, in degrees.
        crop: Fraction of each side that a window may leave out; the window is enlarged to the whole slice.
        elastic: Largest distance that a smooth bend moves a pixel, as a fraction of the slice's size.
        shading: The coil's shading is exp(field); the range is for the field's extreme value.
        blur_pixels: Standard deviation, in pixels.
        noise: Standard deviation; intensities are in 0..1.
        drop: Probability that a slice is blanked. At least one slice is kept.

    Raises:
        ValueError: For a range that is negative or too large.
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
        for name in (field.name for field in fields(Augmentation)):
            if not 0 <= (value := getattr(self, name)) < LIMITS.get(name, np.inf):
                raise ValueError(f"{name} must be from 0 to below {LIMITS.get(name, np.inf):.4g}, not {value}")

    def apply(self, slices: FloatArray, random: np.random.Generator) -> FloatArray:
        """Change slices, float32 `[S, H, W]` in 0..1 (`[S, H, W, 2]` with a mask), by a new draw.

        The result has the same shape and range.

        If all ranges are 0, the slices are returned unchanged.
        """
        if self == Augmentation():
            return slices
        count, height, width = slices.shape[:3]
        return self.draw((count, height, width), random).slices(slices)

    def draw(self, shape: Shape, random: np.random.Generator) -> Draw:
        """Draw a change for slices of `shape`. Each range has its own draws: a new range doesn't change the others."""
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
        """Bool `[S]`. If all slices would be blanked, the one with the highest draw is kept."""
        luck = random.uniform(0, 1, slices)
        kept: Mask = (luck >= self.drop) | (luck == luck.max())
        return kept
