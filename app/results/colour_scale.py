"""Which evidence a picture shows at full brightness: the bundle's value, as in the answer, or the study's own peak."""

from typing import TYPE_CHECKING

import numpy as np

from app.contract.json_text import Json
from app.contract.schemas import ColourScale, Notice

if TYPE_CHECKING:  # Importing models loads Keras, which only the engine's thread may do.
    from models.bundle import Bundle
    from models.predictor import Prediction

OWN_PEAK = "explanation-own-scale"


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
    return ColourScale(
        full_brightness=known.get(name, peak),
        unit="logit/mm2",
        source="bundle" if name in known else "study",
        quantile=fixed.quantile if fixed and name in known else None,
        exams=fixed.exams[name] if fixed and name in known else None,
        peak=peak,
        classes=known,
    )


def warnings(scale: ColourScale) -> list[Notice]:
    """What readers of the pictures should know about their scale."""
    if scale.source == "bundle":
        return []
    message = "The pictures are scaled by this study's own peak: their brightness can't be compared between studies."
    return [Notice(code=OWN_PEAK, message=message)]


def full_brightness(answer: Json, name: str, spacing_mm: tuple[float, float, float]) -> float | None:
    """A class's value at full brightness, for one pixel of the volume; None if the study's own peak is used instead.

    An answer of an earlier version has no scale.
    """
    known: dict[str, float] = answer["explanation"].get("scale", {}).get("classes", {})
    return known[name] * _area(spacing_mm) if name in known else None


def _area(spacing_mm: tuple[float, float, float]) -> float:
    """The area of a pixel in mm2."""
    return float(np.prod(spacing_mm[1:]))
