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
    distance = distance_transform_edt(~ligament, sampling=spacing_mm)
    peak = np.unravel_index(source_map.argmax(), source_map.shape)
    return Pointing(float(distance[peak]), float((distance[examined] <= HIT_MM).mean()))
