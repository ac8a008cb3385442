"""Small random changes to a whole volume: one draw for all slices, so that a knee stays one knee.

Never a mirror image or reversed slices: both swap anatomy. Nothing here changes what a ligament looks like.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.volume import FloatArray


@dataclass(frozen=True)
class Augmentation:
    """Half-ranges of uniform draws; 0 leaves that out.

    rotation_degrees: about the slice's centre. shift: as a fraction of the slice's size. scale: 0.1 is 0.9 to 1.1.
    gamma: exponent of the intensities, as exp(draw).
    """

    rotation_degrees: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    gamma: float = 0.0

    def apply(self, slices: FloatArray, random: np.random.Generator) -> FloatArray:
        """Slices `[S, H, W]` in 0..1 -> the same shape and range."""
        turn, down, right, zoom, bend = random.uniform(-1, 1, 5)
        _, height, width = slices.shape
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn * self.rotation_degrees, 1 + zoom * self.scale)
        matrix[:, 2] += right * self.shift * width, down * self.shift * height
        moved = [cv2.warpAffine(plane, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for plane in slices]
        return np.power(np.stack(moved), np.float32(np.exp(bend * self.gamma))).astype(np.float32)
