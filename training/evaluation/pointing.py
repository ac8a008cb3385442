"""Does the heatmap point at the ligament? Asked of exams whose ligament is known."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from data_prep.volume import FloatArray

# A peak on the ligament or this near to it counts as a hit: half of a ligament's thickness.
HIT_MM = 5.0


@dataclass(frozen=True)
class Pointing:
    """How one map points: distance of its peak from the ligament, and what guessing would have reached.

    chance: the share of the examined block that lies within HIT_MM, the odds of a peak thrown at random.
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
    """How a map `[S, R, C]` points at a mask `[S, R, C]`; `examined` is the block that the model looked at."""
    distance = distance_transform_edt(~ligament, sampling=spacing_mm)
    peak = np.unravel_index(source_map.argmax(), source_map.shape)
    return Pointing(float(distance[peak]), float((distance[examined] <= HIT_MM).mean()))
