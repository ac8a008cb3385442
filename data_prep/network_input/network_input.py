"""What a network is given of a volume: both steps, one after the other. Knows no Keras, so any process can make it."""

import time
from dataclasses import dataclass
from typing import Self

from data_prep.boxes import Box
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.crop import crop
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from data_prep.notice import Notice
from data_prep.volume import FloatArray


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """slices: float32 `[s, h, w]` in 0..1, as the recipe makes them. footprint: where they lie in the volume.

    notices: what a reader of the answer should know of the volume. box: in voxels of the volume, what a localiser
    found and the slices are centred on; None where there is no localiser, or it found nothing.
    """

    slices: FloatArray
    footprint: Footprint
    notices: tuple[Notice, ...]
    took_ms: float
    box: Box | None = None

    @classmethod
    def of(cls, coarse: Coarse, recipe: Recipe, box: Box | None = None) -> Self:
        """Cut and scale a screened volume."""
        started = time.perf_counter()
        slices, footprint = crop(coarse.voxels, coarse.spacing_mm, recipe, box)
        took_ms = coarse.took_ms + 1000 * (time.perf_counter() - started)
        return cls(slices, footprint, coarse.notices, round(took_ms, 2), box)
