"""The worklist in SQL: what was searched for, in order, page by page."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, ScalarSelect, and_, distinct, func, or_, select, tuple_
from sqlalchemy.orm import Session

from app.store.database import Database, Delivery, Instance, Prediction, Review, Study
from app.store.index.summaries import SUMMARY
from app.store.queue import DONE, FAILED, QUEUED

State = Literal["waiting", "done", "failed"]
Sort = Literal["newest", "oldest", "probability"]
STATUS: dict[State, str] = {"waiting": QUEUED, "done": DONE, "failed": FAILED}
# How many studies that are still being received a page names. There are seldom more than a few.
MOST_RECEIVING = 50
Place = tuple[str | float, str]


@dataclass(frozen=True)
class Wanted:
    """What is searched for.

    Attributes:
        words: Each must be found: in the study's UID, its date, the time of receipt, the predicted class or, if
            `patients`, in name or number of the patient.
        state: Only predictions in this state.
        predicted: Only those that predict this class.
        superseded: Whether also predictions that are superseded are wanted.
        patients: Whether the caller may see and search names and numbers of patients.
        sort: The order.
        reviewed: Only predictions that some reader has reviewed, or that none has.
        opinions: Whether the predicted class may be found by a word.
    """

    words: tuple[str, ...] = ()
    state: State | None = None
    predicted: str | None = None
    superseded: bool = False
    patients: bool = False
    sort: Sort = "newest"
    reviewed: bool | None = None
    opinions: bool = True


class Listed(NamedTuple):
    """A prediction as the worklist shows it.

    Attributes:
        readers: How many readers have reviewed it.
        own: How many reviews of it the caller has given.
        given_up: How many deliveries of its results were given up.
        place: Where it stands in the order.
    """

    summary: Any
    answer: Any
    lease: str | None
    superseded_by: str | None
    readers: int
    own: int
    given_up: int
    place: Place


class Receiving(NamedTuple):
    """A study that is still being received. `received` is when its last instance came, in seconds since 1970."""

    study_uid: str
    received: float
    instances: int


def find(
    database: Database, wanted: Wanted, reader: str, limit: int, after: Place | None = None
) -> tuple[list[Listed], int]:
    """A page of predictions, and how many there are on all pages.

    Args:
        database: The database.
        wanted: What is searched for.
        reader: The caller, as reviews name readers.
        limit: The maximum number of predictions.
        after: The place of the last one on the previous page.
    """
    key = _key(wanted.sort)
    place = tuple_(key, SUMMARY.c.prediction)
    conditions = _conditions(wanted)
    reviews = _readers().label("readers"), _reviews(Review.reader == reader).label("own")
    counts = *reviews, _given_up().label("given_up")
    columns = SUMMARY, Prediction.answer, Prediction.lease, Prediction.superseded_by, *counts, key.label("key")
    rows = select(*columns).join(Prediction, Prediction.id == SUMMARY.c.prediction).where(*conditions).limit(limit)
    if wanted.sort == "oldest":
        rows = rows.order_by(key, SUMMARY.c.prediction)
        further = None if after is None else place > after
    else:
        rows = rows.order_by(key.desc(), SUMMARY.c.prediction.desc())
        further = None if after is None else place < after
    if further is not None:
        rows = rows.where(further)
    with database.read() as session:
        total = session.scalar(select(func.count()).select_from(SUMMARY).where(*conditions)) or 0
        return [_listed(row) for row in session.execute(rows)], total


def receiving(database: Database) -> list[Receiving]:
    """The studies that are still being received, the latest first."""
    rows = select(Study.uid, Study.received).where(Study.state == "receiving").order_by(Study.received.desc())
    with database.read() as session:
        found = session.execute(rows.limit(MOST_RECEIVING)).all()
        return [Receiving(row.uid, row.received, _instances(session, row.uid)) for row in found]


def _instances(session: Session, uid: str) -> int:
    return session.scalar(select(func.count()).where(Instance.study_uid == uid)) or 0


def _key(sort: Sort) -> ColumnElement[Any]:
    return SUMMARY.c.unhealthy if sort == "probability" else SUMMARY.c.created


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [_has(word, wanted) for word in wanted.words]
    if wanted.state is not None:
        conditions.append(SUMMARY.c.status == STATUS[wanted.state])
    if wanted.predicted is not None:
        conditions.append(SUMMARY.c.predicted == wanted.predicted)
    if not wanted.superseded:
        conditions.append(SUMMARY.c.superseded.is_(False))
    if wanted.reviewed is not None:
        conditions.append((_reviews() > 0) == wanted.reviewed)
    return conditions


def _readers() -> ScalarSelect[int]:
    """How many readers have reviewed a prediction."""
    of_it = Review.prediction == SUMMARY.c.prediction
    return select(func.count(distinct(Review.reader))).where(of_it).correlate(SUMMARY).scalar_subquery()


def _reviews(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many reviews of a prediction there are."""
    of_it = Review.prediction == SUMMARY.c.prediction
    return select(func.count()).where(of_it, *conditions).correlate(SUMMARY).scalar_subquery()


def _given_up() -> ScalarSelect[int]:
    """How many deliveries of a prediction's results were given up."""
    of_it = Delivery.prediction == SUMMARY.c.prediction, Delivery.state == "dead"
    return select(func.count()).where(*of_it).correlate(SUMMARY).scalar_subquery()


def _has(word: str, wanted: Wanted) -> ColumnElement[bool]:
    """Whether a prediction has a word. Dates are written 2026-11-30 or, in DICOM, 20261130."""
    places = [
        SUMMARY.c.study_uid.contains(word, autoescape=True),
        SUMMARY.c.created.startswith(word.upper(), autoescape=True),
        and_(SUMMARY.c.study_date == word.replace("-", ""), SUMMARY.c.study_date != ""),
    ]
    if wanted.opinions:
        places.append(SUMMARY.c.predicted.contains(word.lower(), autoescape=True))
    if wanted.patients:
        places.append(SUMMARY.c.sought.contains(word.casefold(), autoescape=True))
    return or_(*places)


def _listed(row: Any) -> Listed:
    counts = row.readers, row.own, row.given_up
    return Listed(row, row.answer, row.lease, row.superseded_by, *counts, (row.key, row.prediction))
