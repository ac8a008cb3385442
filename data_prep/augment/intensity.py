"""What a scanner makes of the same tissue: contrast, sharpness, shading by the coil, noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.augment.geometry import Matrix
from data_prep.augment.spline import smooth_field
from data_prep.volume import FloatArray

# Sensitivity falls off over the whole knee: half of it is the smallest detail within a slice, all of it across slices.
SHADING_CELLS = (1, 2, 2)


@dataclass(frozen=True, eq=False)
class Look:
    """Intensities in the order in which a scanner would change them.

    exponent: of every intensity (gamma). blur_pixels: a Gaussian's standard deviation within the slice; 0 for none.
    shading: control points `[4, 5, 5]` of the logarithm of a factor, smooth in all three directions. noise: standard
    deviation of each channel of the complex signal, whose magnitude is the picture (Gudbjartsson and Patz, Magnetic
    Resonance in Medicine 34, 1995), so that dark tissue gets brighter, as in a real one. seed: of the noise.
    """

    exponent: float = 1.0
    blur_pixels: float = 0.0
    shading: Matrix | None = None
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
            slices = slices * np.exp(smooth_field(self.shading, slices.shape))
        if self.noise:
            slices = self._noisy(slices)
        return np.clip(slices, 0, 1)

    def _noisy(self, slices: FloatArray) -> FloatArray:
        # SFC64 is NumPy's quickest generator, and noise is most of what a draw costs.
        random = np.random.Generator(np.random.SFC64(self.seed))
        real, imaginary = (random.standard_normal(slices.shape, np.float32) for _ in range(2))
        real *= np.float32(self.noise)
        imaginary *= np.float32(self.noise)
        real += slices
        return np.sqrt(real * real + imaginary * imaginary)
