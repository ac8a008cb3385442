"""Whether the map points at the ligament, for exams whose ligament is known."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from data_prep.volume import FloatArray

# A peak on the ligament or at most this far from it counts as a hit: half of a ligament's thickness.
HIT_MM = 5.0


@dataclass(frozen=True)
class Pointing:
    """How well one map points at the ligament.

    Attributes:
        distance_mm: distance of the map's peak from the ligament, in mm.
        chance: the share of the examined block that lies within HIT_MM of the ligament. This is the probability that a
            random peak is a hit.
    """

    distance_mm: float
    chance: float

    @property
    def hit(self) -> bool:
        """Whether the peak lies on the ligament or within HIT_MM of it."""
        return self.distance_mm <= HIT_MM


def pointing(
    source_map: FloatArray,
    ligament: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    examined: tuple[slice, slice, slice],
) -> Pointing:
    """How well a map points at a ligament.

    Args:
        source_map: the map in the volume's grid, float32 `[S, R, C]`.
        ligament: the ligament's mask, bool `[S, R, C]`.
        spacing_mm: distance between slices, rows and columns.
        examined: the block that the model sees.
    """
    peak = np.unravel_index(source_map.argmax(), source_map.shape)
    voxels = np.argwhere(ligament)
    distance_mm = np.linalg.norm((voxels - peak) * spacing_mm, axis=1).min()
    # Every voxel within HIT_MM of the ligament lies in this box, so distances elsewhere needn't be computed.
    margin = np.ceil(HIT_MM / np.array(spacing_mm)).astype(int)
    ends = zip((voxels.min(0) - margin).clip(0), voxels.max(0) + margin + 1, strict=True)
    box = tuple(slice(first, stop) for first, stop in ends)
    near = np.zeros_like(ligament)
    near[box] = distance_transform_edt(~ligament[box], sampling=spacing_mm) <= HIT_MM
    return Pointing(float(distance_mm), float(near[examined].mean()))
