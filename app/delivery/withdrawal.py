"""What becomes of the deliveries of a superseded prediction: its results go nowhere any more, and a rejection note
follows those that went (app/results/rejection_note.py).

The row of a delivery is used again: what it brings is the note, with tries, waits and outcomes of its own. A note waits
until the results that replace the others have come to the same target, or are given up there. A delivery that never
began is deleted. A try that is just going on ends first: so a note never comes before what it rejects.
"""

from collections.abc import Callable, Collection

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.store.database import Delivery, Prediction, ResultObject

# The outcome of a try that found that its results aren't valid any more, before it brought them.
SUPERSEDED = "superseded by another result of the study before it was sent"
# Columns of a delivery that begins anew.
FRESH = {Delivery.attempts: 0, Delivery.outcome: None}


def superseded() -> ColumnElement[bool]:
    """Whether a delivery's prediction is superseded."""
    return Delivery.prediction.in_(select(Prediction.id).where(Prediction.superseded_by.is_not(None)))


def withdraw(session: Session, targets: Collection[str], here: str, now: float) -> list[tuple[str, str]]:
    """Let the deliveries of superseded predictions bring a note, or delete them if there is nothing to reject.

    Args:
        session: A transaction.
        targets: Names of the configured targets.
        here: The one that stands for this service.
        now: Seconds since 1970.

    Returns:
        Prediction and target of the deliveries that were deleted.
    """
    idle = Delivery.note.is_(False), Delivery.trying.is_(None), Delivery.target.in_(targets), superseded()
    made = Delivery.prediction.in_(select(ResultObject.prediction).where(ResultObject.note.is_(False)))
    never = and_(Delivery.attempts == 0, Delivery.outcome.is_(None))
    in_vain = and_(Delivery.attempts <= 1, Delivery.outcome.is_not_distinct_from(SUPERSEDED))
    noted = update(Delivery).where(*idle, made, or_(Delivery.target == here, ~or_(never, in_vain)))
    session.execute(noted.values({**FRESH, Delivery.note: True, Delivery.state: "waiting", Delivery.due: now}))
    dropped = delete(Delivery).where(*idle).returning(Delivery.prediction, Delivery.target)
    return [(prediction, target) for prediction, target in session.execute(dropped)]


def renew_notes(session: Session, study_uid: str, here: str, now: float) -> None:
    """Store the notes of a study beside it again: its results were deleted together, and the valid ones come again."""
    of_study = Delivery.prediction.in_(select(Prediction.id).where(Prediction.study_uid == study_uid))
    notes = update(Delivery).where(of_study, Delivery.note, Delivery.target == here, Delivery.trying.is_(None))
    session.execute(notes.values({**FRESH, Delivery.state: "waiting", Delivery.due: now}))


def held_back(target: str, unscheduled: Callable[[type[Prediction]], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether a note must wait, because valid results of its study and bundle are still on their way to the target.

    Args:
        target: Name of the target.
        unscheduled: Whether the deliveries of a prediction are still to be entered.
    """
    rejected, valid, other = aliased(Prediction), aliased(Prediction), aliased(Delivery)
    same = rejected.study_uid == valid.study_uid, rejected.bundle == valid.bundle
    waiting = other.prediction == valid.id, other.target == target, other.state == "waiting"
    on_their_way = (
        select(valid.id)
        .join(rejected, and_(*same))
        .where(rejected.id == Delivery.prediction, valid.superseded_by.is_(None))
        .where(or_(unscheduled(valid), exists(select(other.prediction).where(*waiting))))
    )
    return and_(Delivery.note, exists(on_their_way))
