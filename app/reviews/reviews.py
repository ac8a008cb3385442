"""Reviews in the database. They are added, never changed: a reader's later review stands beside the earlier ones.

A review whose `base` isn't the reader's latest one, because another tab has stored one meanwhile, is stored all the
same: refusing it would leave a drawn mask in a page that may be closed. The answer names what the page hadn't seen.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.contract import masks
from app.contract.json_text import dumps
from app.contract.reviews import NewReview, Review
from app.store import database
from app.store.database import Database
from app.store.job import written
from data_prep.errors import MalformedInput


class Added(NamedTuple):
    """A review that is stored.

    Attributes:
        review: The review, with its mask.
        is_new: Whether this call has stored it; otherwise the same request came before.
    """

    review: Review
    is_new: bool


class ReviewStore:
    """Reads and adds reviews.

    Args:
        database: The database.
        clock: Gives the time in seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def add(
        self, prediction: str, reader: str, sent: NewReview, classes: Sequence[str], request: str | None = None
    ) -> Added | None:
        """Store a review.

        Args:
            prediction: Id of the prediction.
            reader: Who gives it; empty if nobody was asked.
            sent: The review. It fits the prediction.
            classes: The classes that it allows.
            request: The client's Idempotency-Key.

        Returns:
            The review; None if the prediction was deleted meanwhile.

        Raises:
            MalformedInput: Another review came with the same Idempotency-Key.
        """
        text = sent.model_dump_json()
        digest = hashlib.sha256(text.encode()).hexdigest()
        content = sent.model_dump(mode="json", exclude={"mask", "base"})
        content |= {"classes": list(classes), "marked_slices": sorted(one.slice for one in sent.mask)}
        row = database.Review(id=uuid.uuid4().hex, prediction=prediction, reader=reader, created=self._clock())
        row.content, row.mask, row.request, row.digest = content, masks.packed(sent.mask), request, digest
        row.size = len(dumps(content)) + len(row.mask or b"")
        with self._database.alone() as session:
            if session.get(database.Prediction, prediction, with_for_update=True) is None:
                return None
            known = [one for one in _of(session, prediction) if one.reader == reader]
            if (before := next((one for one in known if request and one.request == request), None)) is not None:
                if before.digest != digest:
                    raise MalformedInput("Another review came with this Idempotency-Key; a new review needs a new one.")
                return Added(_shown(before, before is known[-1], whole=True), False)
            session.add(row)
        unseen = [one.id for one in _after(known, sent.base)]
        return Added(_shown(row, True, whole=True).model_copy(update={"unseen": unseen}), True)

    def of(self, *predictions: str) -> list[Review]:
        """All reviews of predictions, in the order in which they were stored, without masks."""
        with self._database.read() as session:
            rows = _of(session, *predictions)
        latest = {(row.prediction, row.reader): row.id for row in rows}
        return [_shown(row, latest[row.prediction, row.reader] == row.id) for row in rows]

    def current(self, *predictions: str) -> list[Review]:
        """The latest review of each reader of any of these predictions, with its mask, in the order of storing."""
        with self._database.read() as session:
            latest = {row.reader: row for row in _of(session, *predictions)}
        return [_shown(row, True, whole=True) for row in sorted(latest.values(), key=lambda row: row.number)]

    def one(self, prediction: str, id_: str) -> Review | None:
        """One review with its mask; None if there is no such review."""
        with self._database.read() as session:
            rows = _of(session, prediction)
        found = next((row for row in rows if row.id == id_), None)
        if found is None:
            return None
        return _shown(found, not any(row.reader == found.reader for row in _after(rows, id_)), whole=True)


def _of(session: Session, *predictions: str) -> list[database.Review]:
    rows = select(database.Review).where(database.Review.prediction.in_(predictions))
    return list(session.scalars(rows.order_by(database.Review.number)))


def _after(rows: Sequence[database.Review], id_: str | None) -> Iterable[database.Review]:
    """The rows after one of them; all if it isn't among them."""
    numbers = [row.number for row in rows if row.id == id_]
    return [row for row in rows if not numbers or row.number > numbers[0]]


def _shown(row: database.Review, current: bool, whole: bool = False) -> Review:
    return Review(
        id=row.id,
        prediction=row.prediction,
        reader=row.reader,
        created=written(row.created),
        current=current,
        mask=masks.unpacked(row.mask) if whole else None,
        **row.content,
    )
