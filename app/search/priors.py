"""Earlier studies of the same patient.

Two studies are of one patient if they have the same PatientID, and nothing else in their headers says otherwise: an
issuer of this number, a date of birth or a sex that both have and that differ. An empty number is nobody's. It is empty
when pixels have expired. Names aren't compared; they change. Synthetic knees have no patient.

Dates of de-identified studies may have been moved, each study's by other days (data_prep/deidentify/pseudonyms.py).
They count from when they came, as studies without a date do.
"""

from typing import Any, NamedTuple, Self

from sqlalchemy import Row, select

from app.contract.json_text import Json
from app.store.database import Database, Prediction
from app.store.index.summaries import SUMMARY, whole_date
from app.store.queue import DONE

MOST = 50
# Predictions that are compared, the latest; patients have fewer.
MOST_COMPARED = 200
# What must not differ: IssuerOfPatientID, PatientBirthDate, PatientSex.
DISTINGUISHING = ("00100021", "00100030", "00100040")
IDENTITY_REMOVED = "00120062"
# What is read besides the summary.
OF_ROW = (
    Prediction.origins[0].label("origin"),
    Prediction.answer["study"]["laterality"].as_string().label("laterality"),
    Prediction.answer["bundle"]["name"].as_string().label("bundle"),
)


class Known(NamedTuple):
    """A prediction, and what is known of its study.

    Attributes:
        study_date: As DICOM writes it; None if it isn't known, or may have been moved.
        day: When the study was made or, if that isn't known, came.
    """

    id: str
    study_uid: str
    study_date: str | None
    created: str
    laterality: str
    bundle: str
    day: str
    origin: Json

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """What a row says that `find` has read."""
        origin = row.origin or {}
        date = whole_date(row.study_date) if _value(origin, IDENTITY_REMOVED) != ["YES"] else None
        day = date or row.created[: len("2026-11-30")].replace("-", "")
        return cls(row.prediction, row.study_uid, date, row.created, row.laterality, row.bundle, day, origin)

    @property
    def moment(self) -> tuple[str, str, str]:
        """Where it stands among others."""
        return self.day, self.created, self.id


class Found(NamedTuple):
    """The date of a prediction's own study, as in `Known`, and the earlier ones, the newest first."""

    study_date: str | None
    priors: list[Known]


def find(database: Database, id_: str) -> Found:
    """Valid predictions on earlier studies of the patient of a prediction.

    Args:
        database: The database.
        id_: Id of the prediction.
    """
    rows = select(SUMMARY, *OF_ROW).join(Prediction, Prediction.id == SUMMARY.c.prediction)
    with database.read() as session:
        row = session.execute(rows.where(SUMMARY.c.prediction == id_)).one_or_none()
        if row is None:
            return Found(None, [])
        own = Known.of(row)
        if row.synthetic or not row.patient_id:
            return Found(own.study_date, [])
        same = SUMMARY.c.patient_id == row.patient_id, SUMMARY.c.study_uid != row.study_uid
        valid = SUMMARY.c.status == DONE, SUMMARY.c.superseded.is_(False), SUMMARY.c.synthetic.is_(False)
        others = rows.where(*same, *valid).order_by(SUMMARY.c.created.desc(), SUMMARY.c.prediction)
        compared = [Known.of(other) for other in session.execute(others.limit(MOST_COMPARED))]
    earlier = (one for one in compared if one.moment[:2] < own.moment[:2] and _may_be_one(own.origin, one.origin))
    return Found(own.study_date, sorted(earlier, key=lambda one: one.moment, reverse=True)[:MOST])


def _may_be_one(own: Json, other: Json) -> bool:
    """Whether two origins may be of one patient."""
    both = ((_value(own, tag), _value(other, tag)) for tag in DISTINGUISHING)
    return all(mine == theirs for mine, theirs in both if mine and theirs)


def _value(origin: Json, tag: str) -> Any:
    return origin.get(tag, {}).get("Value")
