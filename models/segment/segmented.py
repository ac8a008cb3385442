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
from models.segment.cleaning import ONE_PIECE, Mask, cleaned

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
        first, stop = self.footprint.slices
        if first <= index < stop:
            return self._in_source(self.probabilities[:, index - first])
        return np.zeros((len(self.probabilities), *self.footprint.volume_shape[1:]), np.float32)

    def peak(self, structure: int, mask: Mask | None = None) -> tuple[int, int, int]:
        """Where a structure is most likely: slice, row and column of a voxel of the volume.

        The probabilities are smoothed first (`PEAK_CELLS`): a sure network says 1 for a whole area, and its middle is
        meant.

        Args:
            structure: Its index.
            mask: Where to look, bool `[S, R, C]`, not empty; None for everywhere.
        """
        first, stop = self.footprint.slices
        best, place = -np.inf, (first, 0, 0)
        for index in range(first, stop):
            if mask is not None and not mask[index].any():
                continue
            grid = ndimage.gaussian_filter(self.probabilities[structure, index - first], PEAK_CELLS, mode="constant")
            plane = self._in_source(grid[None])[0]
            found = plane if mask is None else np.where(mask[index], plane, -np.inf)
            if (value := float(found.max())) > best:
                row, column = np.unravel_index(int(found.argmax()), found.shape)
                best, place = value, (index, int(row), int(column))
        return place

    def _in_source(self, grids: FloatArray) -> FloatArray:
        """Planes `[K, h, w]` of the network's grid in the slice's own pixels, `[K, R, C]`; 0 outside the block."""
        _, rows, columns = self.footprint.volume_shape
        top, left = int(self.footprint.rows[0]), int(self.footprint.columns[0])
        _, height, width = self.footprint.shape
        planes = np.zeros((len(grids), rows, columns), np.float32)
        inside = np.s_[max(top, 0) : top + height, max(left, 0) : left + width]
        for plane, grid in zip(planes, grids, strict=True):
            whole = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
            shown = plane[inside]
            shown[:] = whole[max(-top, 0) :, max(-left, 0) :][: shown.shape[0], : shown.shape[1]]
        return planes

    def labels(self, structures: Sequence[str], threshold: float, spacing_mm: Spacing | None) -> Labels:
        """Cleaned labels in the volume's voxels.

        Args:
            structures: The names of the K structures.
            threshold: The probability from which on a voxel belongs to a structure.
            spacing_mm: Distance between neighbouring slices, rows and columns; None if it isn't known.

        Returns:
            `[S, R, C]`: 0 for the background, otherwise 1 + the index into `structures`.
        """
        labels = self._likeliest(threshold)
        clean = np.zeros_like(labels)
        for label, name in enumerate(structures, start=1):
            mask = _cleaned(labels, label, name, spacing_mm)
            clean[mask & (clean == 0)] = label
        return clean

    def mask(self, structure: str, structures: Sequence[str], threshold: float, spacing_mm: Spacing | None) -> Mask:
        """Where one structure is, cleaned, bool `[S, R, C]`: what `labels` says of it, in less time."""
        label = 1 + structures.index(structure)
        return _cleaned(self._likeliest(threshold), label, structure, spacing_mm)

    def _likeliest(self, threshold: float) -> Labels:
        """The likeliest structure of each voxel, if it reaches the threshold, as labels `[S, R, C]`."""
        labels = np.zeros(self.footprint.volume_shape, np.uint8)
        for index in range(*self.footprint.slices):
            if self.probabilities[:, index - self.footprint.slices[0]].max() < threshold:
                continue
            plane = self.plane(index)
            likeliest = plane.argmax(axis=0)
            sure = np.take_along_axis(plane, likeliest[None], axis=0)[0] >= threshold
            labels[index] = np.where(sure, 1 + likeliest, 0)
        return labels


def _cleaned(labels: Labels, label: int, structure: str, spacing_mm: Spacing | None) -> Mask:
    """A structure's cleaned mask; a part of another structure inside it is no hole."""
    mask = cleaned(labels == label, spacing_mm, structure in ONE_PIECE)
    return np.asarray(mask & ((labels == label) | (labels == 0)))
