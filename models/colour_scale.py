"""How bright a heatmap is: one scale for all predictions of a bundle, measured on its validation exams.

If each map were scaled by its own peak, the map of a healthy knee would be as bright as that of a torn one. Here full
brightness means a fixed evidence: a quantile of the peaks of injured knees. Below the threshold, which few healthy
knees reach, nothing is shown.

A map's values are shares of a logit, one for each cell of the network's grid of features. When they are spread over the
volume's pixels, smaller pixels get smaller values. Evidence is therefore a density, logit/mm2 in the slice's plane,
which is the same for every matrix.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray

UNIT = "logit/mm2"


@dataclass(frozen=True)
class Threshold:
    """The evidence below which nothing of a class is shown.

    Attributes:
        evidence: The evidence, in `UNIT`.
        below: The number of validation exams without this class whose peaks stay below it.
        exams: The number of these exams: healthy ones for an injury, injured ones for the class healthy.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    evidence: float
    below: int
    exams: int

    def __post_init__(self) -> None:
        if not np.isfinite(self.evidence) or self.evidence <= 0 or not 0 <= self.below <= self.exams:
            raise ValueError("the threshold of a colour scale needs evidence above 0 and exams that stay below it")


@dataclass(frozen=True)
class ColourScale:
    """The evidence that is shown, and at full brightness. A class with too few validation exams has no entry.

    Attributes:
        quantile: Full brightness is this quantile of the peaks of the validation exams, 0 to 1.
        full_brightness: By class, the evidence that is shown at full brightness, in `UNIT`.
        exams: By class, the number of validation exams that were used.
        unit: Always `UNIT`.
        thresholds: By class. A class with too few exams of the other kind has none, nor has a bundle of schema 1.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    quantile: float
    full_brightness: Mapping[str, float]
    exams: Mapping[str, int]
    unit: str = UNIT
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = list(self.full_brightness.values())
        if (
            self.unit != UNIT
            or not 0 <= self.quantile <= 1
            or not np.isfinite(values).all()
            or min(values, default=1) <= 0
        ):
            raise ValueError(f"a colour scale needs the unit {UNIT}, a quantile and evidence above 0")
        if self.full_brightness.keys() != self.exams.keys():
            raise ValueError("a colour scale needs the number of exams of each class")
        if not self.thresholds.keys() <= self.full_brightness.keys():
            raise ValueError("a colour scale has a threshold only for a class that has a full brightness")
        if any(one.evidence >= self.full_brightness[name] for name, one in self.thresholds.items()):
            raise ValueError("the threshold of a colour scale lies below full brightness")


def peaks(
    maps: FloatArray, recipe: Recipe, grid_span: tuple[tuple[float, float], tuple[float, float]]
) -> npt.NDArray[np.float64]:
    """The highest evidence in each class's map.

    Maps are spread over pixels of 1 mm, as for pictures. The image is larger than the crop, so that values that are
    spread beyond the crop aren't at the image's edge.

    Args:
        maps: `[K, s, h, w]`, on the grid of features of slices that `recipe` made.
        recipe: How the network input was made.
        grid_span: See `ExamClassifier.grid_span`.

    Returns:
        `[K]`, in `UNIT`; 0 if there is no evidence for a class.
    """
    _, rows, columns = (max(1, round(extent)) for extent in recipe.extent_mm)
    slices = maps.shape[1]
    spans = (rows / 2, 1.5 * rows), (columns / 2, 1.5 * columns)
    block = Footprint((slices, 2 * rows, 2 * columns), (0, slices), *spans).part(*grid_span)
    return np.array([block.peak(class_map) for class_map in maps])
