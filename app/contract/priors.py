"""Earlier studies of the patient of a prediction."""

from typing import Literal

from app.contract.schemas import ResponseModel


class Prior(ResponseModel):
    """A valid prediction on an earlier study of the same patient."""

    id: str
    """Id of the prediction."""
    study_uid: str
    study_date: str | None
    """`20261130`; null if the headers have none, or de-identification may have moved it."""
    created: str
    """When the study was accepted for this prediction, in UTC, ISO 8601."""
    laterality: Literal["L", "R", "unknown"]
    bundle: str
    """Name of the bundle."""


class Priors(ResponseModel):
    """Earlier studies of the patient of a prediction."""

    prediction: str
    """Id of the prediction that was asked for."""
    study_date: str | None
    """Of its own study, like that of a prior."""
    priors: list[Prior]
    """The newest first; at most 50."""
