"""Results on their way: for each prediction and each target, what was tried, what is next, and how it ended.

Everything is in the table `delivery`, so a restart loses nothing. A try is counted, and the time of the next one is
stored, before the try begins: a process that is killed during a try can't repeat it again and again. Several processes
may use one database; one delivery is tried by one of them at a time.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute

from app.store.database import Database, Delivery, Prediction, Study

# The target that stands for the instances that this service holds. Addresses begin with http:, so none is like it.
HERE = "this service"
# Seconds until the second try. Each wait is twice the one before.
RETRY_S = 30.0
# After this many tries, a delivery is dead: after a day and a half, after eight minutes, at once.
MANY_TRIES, FEW_TRIES, ONE_TRY = 13, 5, 1
# Seconds. A try that isn't over by then was ended by the death of its process. `Limits` of a send are shorter.
BUSY_S = 600.0
# Predictions that are scheduled in one round.
BATCH = 20
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
        clock: Gives the time in seconds since 1970.
    """

    def __init__(self, database: Database, targets: Collection[str], clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        self.targets = (HERE, *targets)

    def give_up_others(self) -> None:
        """Waiting deliveries to targets that aren't configured become dead."""
        others = update(Delivery).where(Delivery.state == WAITING, Delivery.target.not_in(self.targets))
        with self._database.write() as session:
            session.execute(others.values(state=DEAD, due=None, busy_until=None, outcome=NOT_CONFIGURED))

    def schedule(self) -> bool:
        """Enter the deliveries of predictions that are done. Returns whether there may be more of them.

        Without targets, only those for studies that the service holds.
        """
        done = select(Prediction.id).where(Prediction.status == "done", Prediction.published.is_(False))
        if self.targets == (HERE,):
            done = done.where(Prediction.study_uid.in_(select(Study.uid)))
        with self._database.read() as session:
            found = session.scalars(done.limit(BATCH)).all()
        for id_ in found:
            self._enter(id_)
        return len(found) == BATCH

    def schedule_again(self, study_uid: str) -> None:
        """Store the results of a study's predictions beside it again. They aren't sent again to other targets."""
        with self._database.write() as session:
            session.execute(update(Prediction).where(Prediction.study_uid == study_uid).values(published=False))

    def claim(self, target: str) -> Delivery | None:
        """Begin a try: the delivery to a target that is due longest, or None. Nobody else can claim it for `BUSY_S`."""
        oldest = select(Delivery).where(*self._claimable(target)).order_by(Delivery.due).limit(1)
        while True:
            with self._database.read() as session:
                found = session.scalar(oldest)
            if found is None:
                return None
            if found.attempts >= MANY_TRIES:  # its last try was never settled
                self.settle(found, Outcome(INTERRUPTED, ONE_TRY))
            elif (claimed := self._claimed(found)) is not None:
                return claimed

    def settle(self, tried: Delivery, outcome: Outcome) -> bool:
        """End a try. Returns False, and changes nothing, if the delivery was deleted or entered anew meanwhile."""
        values: dict[InstrumentedAttribute[str] | InstrumentedAttribute[float | None], str | float | None] = {
            Delivery.state: DELIVERED if outcome.tries == 0 else DEAD,
            Delivery.due: None,
        }
        if tried.attempts < outcome.tries:
            wait_s = max(_backoff_s(tried.attempts), outcome.wait_s)
            values = {Delivery.state: WAITING, Delivery.due: self._clock() + wait_s}
        mine = update(Delivery).where(_is(tried), Delivery.busy_until.is_not_distinct_from(tried.busy_until))
        settled = mine.values({**values, Delivery.busy_until: None, Delivery.outcome: outcome.text})
        with self._database.write() as session:
            return session.scalar(settled.returning(Delivery.prediction)) is not None

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

    def retry(self, state: str = DEAD, prediction: str | None = None, target: str | None = None) -> int:
        """Try again as soon as possible, as if for the first time. Returns how many deliveries this is true for.

        Deliveries that are being tried now, or whose target isn't configured, are left as they are.

        Args:
            state: `dead` or `waiting`.
            prediction: Only this prediction's.
            target: Only those to this target.
        """
        again = update(Delivery).where(
            *_matching(state, prediction, target), self._idle(), Delivery.target.in_(self.targets)
        )
        fresh = again.values(state=WAITING, attempts=0, due=self._clock(), busy_until=None)
        with self._database.write() as session:
            return len(session.scalars(fresh.returning(Delivery.prediction)).all())

    def study_of(self, prediction: str) -> str | None:
        """UID of a prediction's study; None if the prediction was deleted."""
        with self._database.read() as session:
            return session.scalar(select(Prediction.study_uid).where(Prediction.id == prediction))

    def _enter(self, id_: str) -> None:
        fresh = update(Prediction).where(Prediction.id == id_, Prediction.published.is_(False)).values(published=True)
        with self._database.write() as session:
            if session.scalar(fresh.returning(Prediction.id)) is None:  # deleted, or entered by another process
                return
            for target in self.targets:
                if target == HERE or session.get(Delivery, (id_, target)) is None:
                    row = Delivery(prediction=id_, target=target, state=WAITING, attempts=0, due=self._clock())
                    row.busy_until = row.outcome = None
                    session.merge(row)

    def _claimed(self, found: Delivery) -> Delivery | None:
        now = self._clock()
        attempts = found.attempts + 1
        begun = (
            update(Delivery)
            .where(_is(found), Delivery.attempts == found.attempts, *self._claimable(found.target))
            .values(attempts=attempts, due=now + _backoff_s(attempts), busy_until=now + BUSY_S)
        )
        with self._database.write() as session:
            return session.scalar(begun.returning(Delivery))

    def _claimable(self, target: str) -> tuple[ColumnElement[bool], ...]:
        return Delivery.state == WAITING, Delivery.target == target, Delivery.due <= self._clock(), self._idle()

    def _idle(self) -> ColumnElement[bool]:
        return or_(Delivery.busy_until.is_(None), Delivery.busy_until <= self._clock())


def _is(row: Delivery) -> ColumnElement[bool]:
    return and_(Delivery.prediction == row.prediction, Delivery.target == row.target)


def _matching(state: str | None, prediction: str | None, target: str | None) -> list[ColumnElement[bool]]:
    wanted = {Delivery.state: state, Delivery.prediction: prediction, Delivery.target: target}
    return [column == value for column, value in wanted.items() if value is not None]


def _backoff_s(attempts: int) -> float:
    """Seconds from a try to the next one."""
    return RETRY_S * 2.0 ** (attempts - 1)
