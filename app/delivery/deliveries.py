"""Results on their way: for each prediction and each target, what was tried, what is next, and how it ended.

Everything is in the table `delivery`, so a restart loses nothing. A try is counted, and the time of the next one is
stored, before the try begins: a process that is killed during a try can't repeat it again and again. Several processes
may use one database; one delivery is tried by one of them at a time (app/delivery/tries.py).
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from sqlalchemy import ColumnElement, and_, or_, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from app.audit import Who, record
from app.delivery.tries import Tries, is_, new_number
from app.delivery.withdrawal import held_back, renew_notes, superseded, withdraw
from app.jobs.unchanged import Unchanged
from app.store.database import Database, Delivery, Prediction, ResultObject, Study
from app.store.queue import DONE
from app.store.queue import WAITING as UNANSWERED
from app.store.superseding import Reference, objects_of

# The target that stands for the instances that this service holds. Addresses begin with http:, so none is like it.
HERE = "this service"
# Seconds until the second try. Each wait is twice the one before.
RETRY_S = 30.0
# After this many tries, a delivery is dead: after a day and a half, after eight minutes, at once.
MANY_TRIES, FEW_TRIES, ONE_TRY = 13, 5, 1
# Seconds. A target that asks for more (Retry-After) is asked again after this time. Backoff is never longer either.
LONGEST_WAIT_S = 86_400.0
# Predictions that are scheduled in one round.
BATCH = 20
# Waiting deliveries that are looked at in one round, those that are due first.
LOOKED_AT = 500
WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"
INTERRUPTED = "the service stopped during the last try"
NOT_CONFIGURED = "this target is no longer configured"


@dataclass(frozen=True)
class Outcome:
    """How a try ended.

    Attributes:
        text: For people; never quotes what a target sent.
        tries: After this many tries the delivery is dead; 0 if it is delivered.
        wait_s: How many seconds the target asked to be left alone.
    """

    text: str
    tries: int
    wait_s: float = 0.0


ARRIVED = Outcome(DELIVERED, 0)


class Deliveries:
    """The deliveries of all predictions.

    Args:
        database: Holds them.
        targets: Where results go, besides the instances that the service holds: names without user and password.
        data: The data folder. How a delivery ends, and who has it tried again, is written into its audit trail.
        clock: Gives the time in seconds since 1970.
        elapsed: Gives seconds; only differences count. It goes on evenly when the clock is set.
        chosen: Gives the targets for the results of a study, besides the service itself; None: all of them.
    """

    def __init__(
        self,
        database: Database,
        targets: Collection[str],
        data: Path,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
        chosen: Callable[[str], Collection[str] | None] = lambda study_uid: None,
    ) -> None:
        self._database, self._data, self._clock, self._elapsed = database, data, clock, elapsed
        self.targets, self._chosen = (HERE, *targets), chosen
        self.tries = Tries(database)
        self._waits = {target: Unchanged() for target in self.targets}

    def give_up_others(self) -> None:
        """Waiting deliveries to targets that aren't configured become dead."""
        others = update(Delivery).where(Delivery.state == WAITING, Delivery.target.not_in(self.targets))
        dead = others.values(state=DEAD, due=None, trying=None, outcome=NOT_CONFIGURED)
        with self._database.write() as session:
            given_up = session.execute(dead.returning(Delivery.prediction, Delivery.target)).all()
        for key in given_up:
            self._record("delivery", DEAD, key)

    def schedule(self) -> bool:
        """Enter the deliveries of predictions that are done. Returns whether there may be more of them.

        Without targets, only those for studies that the service holds. What is superseded is withdrawn first.
        """
        self._withdraw()
        with self._database.read() as session:
            found = session.scalars(select(Prediction.id).where(self._unscheduled()).limit(BATCH)).all()
        for id_ in found:
            self._enter(id_)
        return len(found) == BATCH

    def in_work(self) -> ColumnElement[bool]:
        """Whether a prediction waits for its answer, or its results are still to be brought somewhere."""
        undelivered = select(Delivery.prediction).where(Delivery.state == WAITING)
        unanswered = Prediction.status.in_(UNANSWERED)
        return or_(unanswered, self._unscheduled(), Prediction.id.in_(undelivered))

    def schedule_again(self, study_uid: str) -> None:
        """Store the results of a study's predictions beside it again. They aren't sent again to other targets."""
        with self._database.write() as session:
            session.execute(update(Prediction).where(Prediction.study_uid == study_uid).values(published=False))

    def claim(self, target: str) -> Delivery | None:
        """Begin a try: the delivery to a target that is due longest, or None. `settle` or `drop` must follow."""
        for found in self._due(target):
            if found.attempts >= MANY_TRIES:  # its last try was never settled
                self._settle(found, None, Outcome(INTERRUPTED, ONE_TRY))
            elif (claimed := self._claimed(found)) is not None:
                return claimed
        return None

    def settle(self, tried: Delivery, outcome: Outcome) -> bool:
        """End a try. Returns False, and changes nothing, if the delivery was deleted or entered anew meanwhile, or if
        this process was thought dead.
        """
        with self.tries.lock:
            trying = self.tries.drop(_key(tried))
            return trying is not None and self._settle(tried, trying, outcome)

    def drop(self, tried: Delivery) -> None:
        """Have no more to do with a try. If it wasn't settled, it ends as if this process had died."""
        with self.tries.lock:
            self.tries.drop(_key(tried))

    def find(
        self,
        limit: int,
        state: str | None = None,
        prediction: str | None = None,
        target: str | None = None,
        after: tuple[str, str] | None = None,
    ) -> list[Delivery]:
        """The deliveries that match all given conditions, in a fixed order; `after` is the last one's key."""
        wanted = select(Delivery).where(*_matching(state, prediction, target))
        if after is not None:
            wanted = wanted.where(tuple_(Delivery.prediction, Delivery.target) > after)
        with self._database.read() as session:
            return list(session.scalars(wanted.order_by(Delivery.prediction, Delivery.target).limit(limit)))

    def retry(
        self, state: str = DEAD, prediction: str | None = None, target: str | None = None, **who: Unpack[Who]
    ) -> int:
        """Try again as soon as possible. Returns how many deliveries this is true for.

        Dead ones begin anew, as if for the first time. Waiting ones keep the number of their tries, so that asking
        often doesn't keep one alive for ever. Deliveries that are being tried now, or whose target isn't configured,
        are left as they are.

        Args:
            state: `dead` or `waiting`.
            prediction: Only this prediction's.
            target: Only those to this target.
            who: Who wants it, as `app.audit.record` takes it: key, user, address.
        """
        idle = Delivery.trying.is_(None), Delivery.target.in_(self.targets)
        again = update(Delivery).where(*_matching(state, prediction, target), *idle)
        fresh = again.values(state=WAITING, due=self._clock())
        if state == DEAD:
            fresh = fresh.values(attempts=0)
        with self._database.write() as session:
            retried = session.execute(fresh.returning(Delivery.prediction, Delivery.target)).all()
        for key in retried:
            self._record("delivery retried", WAITING, key, **who)
        return len(retried)

    def announce(self, tried: Delivery, objects: Collection[Reference]) -> bool:
        """Write down what a try is about to bring. Whoever gets it may send it back, and a later result may replace it.

        Returns:
            Whether it may be brought: False if the prediction was deleted, or superseded, so that its results are no
            longer valid.
        """
        about = select(Prediction.superseded_by).where(Prediction.id == tried.prediction)
        with self._database.alone() as session:
            row = session.execute(about).one_or_none()
            if row is None or (row.superseded_by is not None and not tried.note):
                return False
            for one in objects:
                session.merge(ResultObject(prediction=tried.prediction, note=tried.note, **one._asdict()))
        return True

    def brought(self, prediction: str) -> list[str]:
        """UIDs of the objects of a prediction that may have been brought somewhere, without its rejection note."""
        with self._database.read() as session:
            return [one.sop_uid for one in objects_of(session, prediction)]

    def study_of(self, prediction: str) -> str | None:
        """UID of a prediction's study; None if the prediction was deleted."""
        with self._database.read() as session:
            return session.scalar(select(Prediction.study_uid).where(Prediction.id == prediction))

    def _unscheduled(self, of: type[Prediction] = Prediction) -> ColumnElement[bool]:
        """Whether deliveries of a prediction are to be entered. Results that have expired aren't made again."""
        gone = of.results_expired | of.pixels_expired | of.maps_expired | of.superseded_by.is_not(None)
        fresh = and_(of.status == DONE, of.published.is_(False), ~gone)
        return fresh if self.targets != (HERE,) else fresh & of.study_uid.in_(select(Study.uid))

    def _withdraw(self) -> None:
        """The deliveries of superseded predictions bring rejection notes from now on, or are dropped."""
        with self._database.read() as session:  # doesn't wait for those who write
            stale = superseded(), Delivery.note.is_(False), Delivery.trying.is_(None), Delivery.target.in_(self.targets)
            if session.scalar(select(Delivery.prediction).where(*stale).limit(1)) is None:
                return
        with self._database.write() as session:
            dropped = withdraw(session, self.targets, HERE, self._clock())
        for key in dropped:
            self._record("delivery", "superseded", key)

    def _enter(self, id_: str) -> None:
        targets = self._targets(self.study_of(id_) or "")
        fresh = update(Prediction).where(Prediction.id == id_, Prediction.published.is_(False)).values(published=True)
        with self._database.write() as session:
            study_uid = session.scalar(fresh.returning(Prediction.study_uid))
            if study_uid is None:  # deleted, or entered by another process
                return
            renew_notes(session, study_uid, HERE, self._clock())
            for target in targets:
                if target == HERE or session.get(Delivery, (id_, target)) is None:
                    row = Delivery(prediction=id_, target=target, state=WAITING, attempts=0, due=self._clock())
                    row.trying = row.outcome = None
                    session.merge(row)

    def _targets(self, study_uid: str) -> Iterable[str]:
        chosen = self._chosen(study_uid)
        return self.targets if chosen is None else [one for one in self.targets if one == HERE or one in chosen]

    def _due(self, target: str) -> list[Delivery]:
        """The deliveries to a target that are due, the one that is due longest first.

        When one is due is read from the clock once, when this process sees it first. From then on the wait is counted,
        so a clock that is set changes nothing.
        """
        waiting = Delivery.state == WAITING, Delivery.target == target, Delivery.trying.is_(None)
        ready = or_(Delivery.note, ~superseded()), ~held_back(target, self._unscheduled)
        first = select(Delivery).where(*waiting, *ready).order_by(Delivery.due).limit(LOOKED_AT)
        with self._database.read() as session:
            rows = {row.prediction: row for row in session.scalars(first)}
        dues = {id_: row.due for id_, row in rows.items()}
        ages = self._waits[target].ages(dues, self._elapsed(), self._late_s)
        return [rows[id_] for id_ in sorted(ages, key=lambda id_: -ages[id_]) if ages[id_] >= 0]

    def _late_s(self, due: float) -> float:
        """For how long a delivery has been due, by the clock; negative if it must wait."""
        return max(self._clock() - due, -LONGEST_WAIT_S)

    def _claimed(self, found: Delivery) -> Delivery | None:
        attempts, trying = found.attempts + 1, new_number()
        unclaimed = Delivery.state == WAITING, Delivery.due == found.due, Delivery.trying.is_(None)
        begun = (
            update(Delivery)
            .where(is_(_key(found)), *unclaimed)
            .values(attempts=attempts, due=self._clock() + _backoff_s(attempts), trying=trying)
        )
        with self._database.write() as session:
            claimed = session.scalar(begun.returning(Delivery))
        if claimed is not None:
            self.tries.begin(_key(found), trying)
        return claimed

    def _settle(self, tried: Delivery, trying: float | None, outcome: Outcome) -> bool:
        values: dict[InstrumentedAttribute[str] | InstrumentedAttribute[float | None], str | float | None] = {
            Delivery.state: DELIVERED if outcome.tries == 0 else DEAD,
            Delivery.due: None,
        }
        if tried.attempts < outcome.tries:
            wait_s = max(_backoff_s(tried.attempts), outcome.wait_s)
            values = {Delivery.state: WAITING, Delivery.due: self._clock() + wait_s}
        mine = Delivery.state == WAITING, Delivery.trying.is_not_distinct_from(trying)
        settled = update(Delivery).where(is_(_key(tried)), *mine)
        final = settled.values({**values, Delivery.trying: None, Delivery.outcome: outcome.text})
        with self._database.write() as session:
            state = session.scalar(final.returning(Delivery.state))
        if state in (DELIVERED, DEAD):
            self._record("rejection note" if tried.note else "delivery", state, _key(tried))
        return state is not None

    def _record(self, what: str, outcome: str, of: Sequence[str], **who: Unpack[Who]) -> None:
        prediction, target = of
        about = select(Prediction.study_uid, Prediction.bundle).where(Prediction.id == prediction)
        row = None
        with suppress(SQLAlchemyError), self._database.read() as session:
            row = session.execute(about).one_or_none()
        study, bundle = row or (None, None)
        record(self._data, what, outcome, prediction=prediction, study=study, sha256=bundle, subject=target, **who)


def _key(row: Delivery) -> tuple[str, str]:
    return row.prediction, row.target


def _matching(state: str | None, prediction: str | None, target: str | None) -> list[ColumnElement[bool]]:
    wanted = {Delivery.state: state, Delivery.prediction: prediction, Delivery.target: target}
    return [column == value for column, value in wanted.items() if value is not None]


def _backoff_s(attempts: int) -> float:
    """Seconds from a try to the next one."""
    return RETRY_S * 2.0 ** (attempts - 1)
