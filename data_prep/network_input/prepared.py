"""What a network is given of a volume: looked at, cut and scaled. Knows no Keras, so any process can make it."""

import time
from dataclasses import dataclass
from typing import Self

from data_prep.network_input.recipe import Footprint, Recipe
from data_prep.network_input.suitability import examine
from data_prep.notice import Notice
from data_prep.volume import FloatArray, Volume


@dataclass(frozen=True, eq=False)
class Prepared:
    """slices: float32 `[s, h, w]` in 0..1, as the recipe makes them; footprint: where they lie in the volume.

    notices: what a reader of the answer should know of the volume.
    """

    slices: FloatArray
    footprint: Footprint
    notices: tuple[Notice, ...]
    took_ms: float

    @classmethod
    def of(cls, volume: Volume, recipe: Recipe) -> Self:
        """Raises UnsuitableStudy for a volume without anything to judge."""
        started = time.perf_counter()
        notices = examine(volume)
        slices, footprint = recipe.apply(volume)
        return cls(slices, footprint, notices, round(1000 * (time.perf_counter() - started), 2))
