"""A page of the worklist."""

from typing import Literal

from pydantic import JsonValue

from app.contract.schemas import Notice, ResponseModel


class Patient(ResponseModel):
    """Who it is. Both are empty when the pixels have expired."""

    name: str
    """As DICOM writes it: `Family^Given`."""
    id: str


class Entry(ResponseModel):
    """A prediction in the worklist."""

    id: str
    """Id of the prediction."""
    study_uid: str
    study_date: str | None
    """`20261130`; null if the headers have none, or the pixels have expired."""
    created: str
    """When the study was accepted for this prediction, in UTC, ISO 8601."""
    state: Literal["queued", "running", "done", "failed"]
    predicted: str | None
    """The most likely class; null if there is no answer, or it is withheld."""
    unhealthy: float | None
    """The probability that the ligament isn't healthy: of all other classes together. Null like `predicted`."""
    operating_point: dict[str, JsonValue] | None
    """What the answer says of the bundle's operating point; null if it says nothing, or is withheld."""
    readers: int
    """How many readers have reviewed it."""
    given_up: int
    """To how many targets its results weren't delivered and aren't tried any more (`GET /v1/deliveries?state=dead`)."""
    withheld: bool
    """Whether the model's opinion isn't shown before the caller has given a review (CRUCIATE_HIDE_OPINION)."""
    laterality: Literal["L", "R", "unknown"] | None
    bundle: str | None
    """Name of the bundle; null if there is no answer."""
    warnings: list[Notice]
    problem: str | None
    """Why it failed, for people."""
    synthetic: bool
    """Whether it is a synthetic knee: there is no patient."""
    superseded_by: str | None
    """Id of the prediction that replaces this one."""
    patient: Patient | None
    """Null unless the operator shows patients (CRUCIATE_SHOW_PATIENTS)."""


class ReceivedStudy(ResponseModel):
    """A study of which more instances may come."""

    study_uid: str
    received: str
    """When its last instance came, in UTC, ISO 8601."""
    instances: int
    """How many have come."""


class Worklist(ResponseModel):
    """A page of the worklist."""

    entries: list[Entry]
    receiving: list[ReceivedStudy]
    """Studies that are still being received, the latest first; on the first page, if nothing is searched for."""
    total: int
    """How many predictions there are on all pages."""
    next: str | None
    """Link to the next page; null on the last one."""
    shows_patients: bool
    """Whether entries name patients, and searches find them."""
