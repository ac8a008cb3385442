"""The network input of a volume: both steps, one after the other. Without Keras, so that any process can make it."""

import time
from dataclasses import dataclass
from typing import Self

from data_prep.boxes import Box
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.crop import crop
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.located import Located
from data_prep.network_input.mask_channel import with_mask
from data_prep.network_input.recipe import Recipe
from data_prep.notice import Notice
from data_prep.volume import FloatArray

NOWHERE = Located()


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """What is resampled from a volume for a network.

    Attributes:
        slices: float32 `[s, h, w]` in 0..1, as the recipe makes them; `[s, h, w, 2]` with the ligament's mask.
        footprint: where the slices lie in the volume.
        notices: warnings about the volume for the reader of the answer.
        took_ms: how long both steps took.
        box: the ligament's box on which the slices are centred, in voxels of the volume; None if there is none: no
            localiser, or it found nothing.
    """

    slices: FloatArray
    footprint: Footprint
    notices: tuple[Notice, ...]
    took_ms: float
    box: Box | None = None

    @classmethod
    def of(cls, coarse: Coarse, recipe: Recipe, located: Located = NOWHERE) -> Self:
        """Cut and scale a screened volume.

        Args:
            coarse: the first step's result.
            recipe: how.
            located: what a localiser found; by default nothing.
        """
        started = time.perf_counter()
        box = None if recipe.mask_channel else located.box
        slices, footprint = crop(coarse.voxels, coarse.spacing_mm, recipe, box)
        if recipe.mask_channel:
            slices = with_mask(slices, located.mask, footprint, recipe)
        took_ms = coarse.took_ms + 1000 * (time.perf_counter() - started)
        return cls(slices, footprint, coarse.notices, round(took_ms, 2), box)
