"""Differences between scanners for the same tissue: contrast, sharpness, shading by the coil, noise."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.augment.spline import smooth_field
from data_prep.volume import FloatArray

# A coil's sensitivity falls over the whole knee. Its smallest detail is half of the knee within a slice, and the whole
# knee across slices.
SHADING_CELLS = (1, 2, 2)


def shaded(shape: tuple[int, ...], strength: float, control: npt.NDArray[np.floating]) -> FloatArray:
    """A smooth factor for each pixel.

    Args:
        shape: (slices, height, width).
        strength: Largest absolute value of the factor's logarithm.
        control: Control points of the logarithm, for `smooth_field`.

    Returns:
        Factors float32 `[S, H, W]`, smooth in all three directions.
    """
    field = smooth_field(control, shape)
    factor: FloatArray = np.exp(field * np.float32(strength / np.abs(field).max()))
    return factor


@dataclass(frozen=True, eq=False)
class Appearance:
    """Changes intensities, in the order in which a scanner would change them.

    Attributes:
        exponent: Exponent of every intensity (gamma).
        blur_pixels: Standard deviation of a Gaussian within the slice, in pixels; 0 for no blur.
        shading: A factor for each pixel `[S, H, W]`; None for no shading.
        noise: Standard deviation of each channel of the complex signal. The picture is the magnitude of this signal
            (Gudbjartsson and Patz, Magnetic Resonance in Medicine 34, 1995), so dark tissue becomes brighter, as in a
            real picture.
        seed: Seed of the noise.
    """

    exponent: float = 1.0
    blur_pixels: float = 0.0
    shading: FloatArray | None = None
    noise: float = 0.0
    seed: int = 0

    def apply(self, slices: FloatArray) -> FloatArray:
        """Change slices, float32 `[S, H, W]` in 0..1. The result has the same shape; values above 1 are set to 1."""
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
        # SFC64 is NumPy's fastest generator, and noise takes most of a draw's time.
        random = np.random.Generator(np.random.SFC64(self.seed))
        real, imaginary = random.standard_normal((2, *slices.shape), np.float32) * np.float32(self.noise)
        real += slices
        magnitude: FloatArray = np.sqrt(real**2 + imaginary**2)
        return magnitude
