"""The time that retention goes by: the clock's, unless the clock seems to be wrong.

A clock that is set years ahead would make everything too old at once. So the time is kept in the database, and from one
look to the next it goes on by at most twice what has really passed. If the service didn't run for a while, the clock is
believed for `PAUSE_S`. A clock that is set back is followed at once, because then nothing is too old.
"""

import time
from collections.abc import Callable

from sqlalchemy import func, select

from app.store.database import Calendar as Row
from app.store.database import Database, Instance, Prediction

# Seconds. After a pause of this length the clock is still believed: a long weekend.
PAUSE_S = 4 * 86_400.0
# How much faster than time the calendar may go until it has come up with the clock.
SPEED = 2.0
# Seconds. Smaller steps aren't written to the database.
KEPT_S = 30.0
# The only row of the table.
NUMBER = 1


class Calendar:
    """The time in a database. All processes that share the database have the same time.

    Args:
        database: Holds it.
        clock: Gives the time in seconds since 1970.
        elapsed: Gives seconds; only differences count. It goes on evenly when the clock is set.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._clock, self._elapsed = database, clock, elapsed
        # What this process saw last: its own count of seconds, and the time.
        self._seen: tuple[float, float] | None = None

    def advance(self) -> float:
        """Go on, and return the present in seconds since 1970."""
        elapsed, now = self._elapsed(), self._clock()
        with self._database.read() as session:
            kept = session.scalar(select(Row.time).where(Row.number == NUMBER))
        before = kept if kept is not None else self._latest(now)
        if self._seen is None:
            most = now if now - before <= PAUSE_S else before
        else:
            most = self._seen[1] + SPEED * (elapsed - self._seen[0])
        present = min(now, max(before, most))
        if kept is None or abs(present - kept) >= KEPT_S:
            self._keep(present)
        self._seen = elapsed, present
        return present

    def behind_s(self) -> float:
        """Seconds from the present of the calendar to that of the clock, as `advance` saw it last."""
        return self._clock() - self._seen[1] if self._seen is not None else 0.0

    def trust_clock(self) -> None:
        """Set the calendar to the clock, because somebody has looked at the clock."""
        now = self._clock()
        self._keep(now)
        self._seen = self._elapsed(), now

    def _keep(self, present: float) -> None:
        with self._database.alone() as session:
            session.merge(Row(number=NUMBER, time=present))

    def _latest(self, now: float) -> float:
        """When something was stored last. So the clock is doubted also at the first look."""
        latest = (func.max(Prediction.finished), func.max(Instance.stored))
        with self._database.read() as session:
            return max((time for column in latest if (time := session.scalar(select(column))) is not None), default=now)
