"""The first step from a volume to a network input: everything that needs no network and no recipe.

The volume is screened, and what is known of the patient and the headers is left behind.
"""

import time
from dataclasses import dataclass
from typing import Self

from data_prep.network_input.crop import Spacing
from data_prep.network_input.suitability import examine
from data_prep.notice import Notice
from data_prep.volume import FloatArray, Volume


@dataclass(frozen=True, eq=False)
class Coarse:
    """A volume that can be predicted on, as plain arrays that can be sent to another process.

    Attributes:
        voxels: float32 `[S, R, C]`.
        spacing_mm: distance between neighbouring slices, rows and columns.
        notices: warnings about the volume for the reader of the answer.
        took_ms: how long this step took.
    """

    voxels: FloatArray
    spacing_mm: Spacing
    notices: tuple[Notice, ...]
    took_ms: float

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """Screen the volume.

        Raises:
            UnsuitableStudy: the volume can't be predicted on.
        """
        started = time.perf_counter()
        notices = examine(volume)
        took_ms = 1000 * (time.perf_counter() - started)
        return cls(volume.voxels, volume.spacing_mm, notices, round(took_ms, 2))
