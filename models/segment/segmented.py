"""What a segmentation network says of a volume: probabilities on its own grid, and what they mean in source voxels."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from data_prep.network_input.crop import Spacing
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray
from models.segment.cleaning import ONE_PIECE, cleaned

Labels = npt.NDArray[np.uint8]
# Standard deviation of the Gaussian that a peak is looked for with, in cells of the network's grid.
PEAK_CELLS = 2.0


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a network says of a volume.

    Attributes:
        probabilities: Float32 `[K, s, h, w]` of K structures, without the background.
        footprint: Where it lies in the volume.
    """

    probabilities: FloatArray
    footprint: Footprint

    def plane(self, index: int) -> FloatArray:
        """The probabilities in one slice of the volume, in its own pixels, float32 `[K, R, C]`; 0 outside the block."""
        (first, stop), (_, rows, columns) = self.footprint.slices, self.footprint.volume_shape
        plane = np.zeros((len(self.probabilities), rows, columns), np.float32)
        if not first <= index < stop:
            return plane
        top, left = int(self.footprint.rows[0]), int(self.footprint.columns[0])
        _, height, width = self.footprint.shape
        inside = np.s_[max(top, 0) : top + height, max(left, 0) : left + width]
        for one, grid in zip(plane, self.probabilities[:, index - first], strict=True):
            whole = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
            shown = one[inside]
            shown[:] = whole[max(-top, 0) :, max(-left, 0) :][: shown.shape[0], : shown.shape[1]]
        return plane

    def peak(self, structure: int) -> tuple[int, int, int]:
        """Where a structure is most likely: slice, row and column of the volume's voxel.

        The probabilities are smoothed first (`PEAK_CELLS`): a sure network says 1 for a whole area, and its middle is
        meant.
        """
        smooth = ndimage.gaussian_filter(self.probabilities[structure], (0, PEAK_CELLS, PEAK_CELLS), mode="constant")
        index, *place = np.unravel_index(int(smooth.argmax()), smooth.shape)
        row, column = (
            min(max(int(start + (cell + 0.5) * (stop - start) / cells), 0), length - 1)
            for cell, cells, (start, stop), length in zip(
                place,
                smooth.shape[1:],
                (self.footprint.rows, self.footprint.columns),
                self.footprint.volume_shape[1:],
                strict=True,
            )
        )
        return self.footprint.slices[0] + int(index), row, column

    def labels(self, structures: Sequence[str], threshold: float, spacing_mm: Spacing | None) -> Labels:
        """Cleaned labels in the volume's voxels.

        Args:
            structures: The names of the K structures.
            threshold: The probability from which on a voxel belongs to a structure.
            spacing_mm: Distance between neighbouring slices, rows and columns; None if it isn't known.

        Returns:
            `[S, R, C]`: 0 for the background, otherwise 1 + the index into `structures`.
        """
        labels = np.zeros(self.footprint.volume_shape, np.uint8)
        for index in range(*self.footprint.slices):
            plane = self.plane(index)
            likeliest = plane.argmax(axis=0)
            sure = np.take_along_axis(plane, likeliest[None], axis=0)[0] >= threshold
            labels[index] = np.where(sure, 1 + likeliest, 0)
        clean = np.zeros_like(labels)
        for label, name in enumerate(structures, start=1):
            mask = cleaned(labels == label, spacing_mm, name in ONE_PIECE)
            clean[mask & (clean == 0)] = label
        return clean
