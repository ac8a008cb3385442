"""Which evidence a picture shows at full brightness: the bundle's, as the answer has it, or the study's own peak."""

from typing import TYPE_CHECKING

import numpy as np

from app.contract.json_text import Json
from app.contract.schemas import ColourScale, Notice

if TYPE_CHECKING:  # Importing models loads Keras, and that's for the engine's thread.
    from models.bundle import Bundle
    from models.predictor import Prediction

OWN_PEAK = "explanation-own-scale"


def scale_of(
    bundle: "Bundle", prediction: "Prediction", class_index: int, spacing_mm: tuple[float, float, float]
) -> ColourScale:
    """For the answer. class_index: of the explained class."""
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
    """What readers of the pictures should know of their scale."""
    if scale.source == "bundle":
        return []
    message = "The pictures are scaled by this study's own peak: their brightness can't be compared between studies."
    return [Notice(code=OWN_PEAK, message=message)]


def full_brightness(answer: Json, name: str, spacing_mm: tuple[float, float, float]) -> float | None:
    """A class's value at full brightness, for a pixel of the volume; None where the study's own peak has to do.

    An answer of an earlier commit has no scale.
    """
    known: dict[str, float] = answer["explanation"].get("scale", {}).get("classes", {})
    return known[name] * _area(spacing_mm) if name in known else None


def _area(spacing_mm: tuple[float, float, float]) -> float:
    """Of a pixel, in mm2."""
    return float(np.prod(spacing_mm[1:]))
