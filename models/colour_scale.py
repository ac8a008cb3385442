"""How bright a heatmap is: one scale for all studies that a bundle judges, measured on its validation exams.

Scaled by its own peak, the map of a healthy knee glows as brightly as that of a torn one. Here full brightness stands
for a fixed evidence: a quantile of the peaks of injured knees.

A map's values are shares of a logit, one for each cell of the network's grid; spread over source pixels they are the
smaller, the smaller a pixel is. The evidence is their density, logit/mm2 in the slice's plane: the same for every
matrix.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray

UNIT = "logit/mm2"


@dataclass(frozen=True)
class ColourScale:
    """full_brightness: by class, the evidence that is shown at full brightness, in `UNIT`.

    It is the `quantile` of the peaks of so many validation `exams`, by class. A class with too few has no entry.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    quantile: float
    full_brightness: Mapping[str, float]
    exams: Mapping[str, int]
    unit: str = UNIT

    def __post_init__(self) -> None:
        values = list(self.full_brightness.values())
        if (
            self.unit != UNIT
            or not 0 <= self.quantile <= 1
            or not np.isfinite(values).all()
            or min(values, default=1) <= 0
        ):
            raise ValueError(f"a scale of colours needs the unit {UNIT}, a quantile and evidence above 0")
        if self.full_brightness.keys() != self.exams.keys():
            raise ValueError("a scale of colours needs the number of exams of each class")


def peaks(
    maps: FloatArray, recipe: Recipe, grid_span: tuple[tuple[float, float], tuple[float, float]]
) -> npt.NDArray[np.float64]:
    """The highest evidence in each class's map, `[K, s, h, w]` -> `[K]`, in `UNIT`; 0 where nothing speaks for a class.

    Maps on the grid of slices that `recipe` made; `grid_span` as `ExamClassifier` has it. Spread as pictures are, over
    pixels of 1 mm, in an image that the block lies within: what its cells spread beyond it is not at the image's edge.
    """
    _, rows, columns = (max(1, round(extent)) for extent in recipe.extent_mm)
    slices = maps.shape[1]
    spans = (rows / 2, 1.5 * rows), (columns / 2, 1.5 * columns)
    block = Footprint((slices, 2 * rows, 2 * columns), (0, slices), *spans).part(*grid_span)
    return np.array([block.peak(class_map) for class_map in maps])
