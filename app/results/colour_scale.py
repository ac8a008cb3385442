"""Which evidence a picture shows, and how bright: by the bundle's own scale, as in the answer.

Evidence is measured in logit/mm2 (`models.colour_scale`). At the bundle's full brightness it is brightest; below the
threshold nothing is coloured, so a healthy knee stays grey. The threshold is measured on healthy exams; of a bundle
that had too few, it is half of full brightness. A bundle without a scale has no threshold: its pictures are scaled by
the study's own peak, and say so.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.contract.json_text import Json
from app.contract.schemas import ColourScale, Notice, ThresholdExams

if TYPE_CHECKING:  # Importing models loads Keras, which only the engine's thread may do.
    from models.bundle import Bundle
    from models.predictor import Prediction

OWN_PEAK = "explanation-own-scale"
# The threshold of a bundle that has measured none, as a share of full brightness.
HALF = 0.5


class Bounds(NamedTuple):
    """The values of a class's map that pictures show, as shares of the logit in one pixel of the volume.

    Attributes:
        full: The value at full brightness.
        threshold: The lowest value that is coloured; None if the bundle has no scale for the class. Then `full` is the
            study's own peak.
        peak: The study's highest value; 0 if none is above 0.
        area_mm2: The area of a pixel.
    """

    full: float
    threshold: float | None
    peak: float
    area_mm2: float

    @property
    def is_dark(self) -> bool:
        """Whether no evidence reaches the threshold."""
        return self.threshold is not None and self.peak < self.threshold

    def density(self, value: float) -> float:
        """A value in logit/mm2."""
        return value / self.area_mm2


def scale_of(
    bundle: "Bundle", prediction: "Prediction", class_index: int, spacing_mm: tuple[float, float, float]
) -> ColourScale:
    """The colour scale for the answer.

    Args:
        bundle: The bundle that predicted.
        prediction: Its prediction.
        class_index: The index of the explained class.
        spacing_mm: From slice to slice, row to row, column to column.
    """
    name, fixed = prediction.scheme.classes[class_index], bundle.colour_scale
    peak = max(float(prediction.footprint.peak(prediction.maps[class_index])), 0.0) / _area(spacing_mm)
    known = dict(fixed.full_brightness) if fixed else {}
    measured = fixed.thresholds if fixed else {}
    thresholds = {one: measured[one].evidence if one in measured else HALF * full for one, full in known.items()}
    of_exams = measured.get(name)
    return ColourScale(
        full_brightness=known.get(name, peak),
        threshold=thresholds.get(name),
        threshold_rule=None if name not in known else "healthy-exams" if of_exams else "half",
        threshold_exams=ThresholdExams(below=of_exams.below, exams=of_exams.exams) if of_exams else None,
        unit="logit/mm2",
        source="bundle" if name in known else "study",
        quantile=fixed.quantile if fixed and name in known else None,
        exams=fixed.exams[name] if fixed and name in known else None,
        peak=peak,
        classes=known,
        thresholds=thresholds,
    )


def warnings(scale: ColourScale) -> list[Notice]:
    """What readers of the pictures should know about their scale."""
    if scale.source == "bundle":
        return []
    message = "The pictures are scaled by this study's own peak: their brightness can't be compared between studies."
    return [Notice(code=OWN_PEAK, message=message)]


def bounds(answer: Json, name: str, spacing_mm: tuple[float, float, float], peak: float) -> Bounds:
    """The bounds of a class's map. An answer of an earlier version has no scale, or no threshold, or only that of the
    explained class, which is the same share of full brightness for all.

    Args:
        answer: The answer.
        name: The class.
        spacing_mm: From slice to slice, row to row, column to column.
        peak: The highest value of the class's map in the volume's grid.
    """
    scale = answer["explanation"].get("scale", {})
    known: dict[str, float] = scale.get("classes", {})
    area, peak = _area(spacing_mm), max(peak, 0.0)
    if name not in known:
        return Bounds(peak, None, peak, area)
    share = scale["threshold"] / scale["full_brightness"] if scale.get("threshold") else HALF
    threshold = scale.get("thresholds", {}).get(name, share * known[name])
    return Bounds(known[name] * area, threshold * area, peak, area)


def _area(spacing_mm: tuple[float, float, float]) -> float:
    """The area of a pixel in mm2."""
    return float(np.prod(spacing_mm[1:]))
