"""What a scanner makes of the same tissue: contrast, sharpness, shading by the coil, noise."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.augment.spline import smooth_field
from data_prep.volume import FloatArray

# Sensitivity falls off over the whole knee: half of it is the smallest detail within a slice, all of it across slices.
SHADING_CELLS = (1, 2, 2)


def shaded(shape: tuple[int, ...], strength: float, control: npt.NDArray[np.floating]) -> FloatArray:
    """A factor `[S, H, W]`, smooth in all three directions; its logarithm is `strength` away from 0 where it's most."""
    field = smooth_field(control, shape)
    factor: FloatArray = np.exp(field * np.float32(strength / np.abs(field).max()))
    return factor


@dataclass(frozen=True, eq=False)
class Appearance:
    """Intensities in the order in which a scanner would change them.

    exponent: of every intensity (gamma). blur_pixels: a Gaussian's standard deviation within the slice; 0 for none.
    shading: a factor for each pixel `[S, H, W]`; None for none. noise: standard deviation of each channel of the
    complex signal, whose magnitude is the picture (Gudbjartsson and Patz, Magnetic Resonance in Medicine 34, 1995), so
    that dark tissue gets brighter, as in a real one. seed: of the noise.
    """

    exponent: float = 1.0
    blur_pixels: float = 0.0
    shading: FloatArray | None = None
    noise: float = 0.0
    seed: int = 0

    def apply(self, slices: FloatArray) -> FloatArray:
        """Slices `[S, H, W]` in 0..1 -> the same shape and range; what gets brighter than 1 is clipped."""
        slices = np.power(slices, np.float32(self.exponent))
        if self.blur_pixels:
            slices = np.stack(
                [cv2.GaussianBlur(plane, (0, 0), self.blur_pixels, borderType=cv2.BORDER_REPLICATE) for plane in slices]
            )
        if self.shading is not None:
            slices = np.minimum(slices * self.shading, 1)
        if self.noise:
            slices = np.minimum(self._noisy(slices), 1)
        return slices

    def _noisy(self, slices: FloatArray) -> FloatArray:
        # SFC64 is NumPy's quickest generator, and noise is most of what a draw costs.
        random = np.random.Generator(np.random.SFC64(self.seed))
        real, imaginary = random.standard_normal((2, *slices.shape), np.float32) * np.float32(self.noise)
        real += slices
        magnitude: FloatArray = np.sqrt(real**2 + imaginary**2)
        return magnitude
