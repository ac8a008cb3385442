"""Whether a knee is positive at the bundle's operating point, and how often that is right: for the answer."""

from typing import TYPE_CHECKING

from app.contract.schemas import OperatingPoint, Rate

if TYPE_CHECKING:  # Importing models loads Keras, which would delay worker processes and the service's start.
    from data_prep.statistics import Figure
    from models.bundle import Bundle
    from models.predictor import Prediction


def operating_point_of(bundle: "Bundle", prediction: "Prediction") -> OperatingPoint | None:
    """The operating point for the answer; None if the bundle has none."""
    point = bundle.operating_point
    if point is None:
        return None
    rates, positive = point.known[0], point.is_positive(prediction.probabilities)
    sensitivity, specificity = _rate(rates.sensitivity), _rate(rates.specificity)
    independent, synthetic = point.tested_on is not None, bundle.manifest["trained_on"] == "synthetic"
    knees = f"{sensitivity.exams} injured and {specificity.exams} healthy {'synthetic ' if synthetic else ''}knees"
    measured_on = f"{knees} that {'nothing' if independent else 'the threshold itself'} was chosen on"
    where = f"{'Positive' if positive else 'Negative'} at the operating point"
    side = f"{point.threshold:.3f} or more" if positive else f"below {point.threshold:.3f}"
    return OperatingPoint(
        threshold=point.threshold,
        positive=positive,
        target_sensitivity=point.target_sensitivity,
        sensitivity=sensitivity,
        specificity=specificity,
        measured_on=measured_on,
        independent=independent,
        synthetic=synthetic,
        message=f"{where} (probability of an injury {side}): sensitivity {_said(sensitivity)}, "
        f"specificity {_said(specificity)}, on {measured_on}.",
    )


def _said(rate: Rate) -> str:
    """A rate with its interval."""
    low, high = rate.interval_95
    return f"{rate.value:.2f} ({low:.2f} to {high:.2f})"


def _rate(figure: "Figure") -> Rate:
    return Rate(value=figure.value, interval_95=figure.interval_95, exams=figure.exams)
