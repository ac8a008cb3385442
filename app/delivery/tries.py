"""Which deliveries are being tried: a process that tries one shows every few seconds that it lives.

The process adds one to a random number in the delivery's row (`trying`). If the number stays the same for long, the
process has died, and another one ends its try. No times are compared, so no clock can be wrong.
"""

import random
from threading import Lock

from sqlalchemy import ColumnElement, Update, and_, select, update

from app.jobs.unchanged import DEAD_AFTER, Unchanged
from app.store.database import Database, Delivery

# Prediction and target.
Key = tuple[str, str]


class Tries:
    """The tries of this process, and what it sees of the others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Held while the database is written to, so that no beat comes between.
        self.lock = Lock()
        self._mine: dict[Key, float] = {}
        self._seen, self._rounds = Unchanged(), 0

    def begin(self, key: Key, trying: float) -> None:
        """Show from now on that this try goes on."""
        with self.lock:
            self._mine[key] = trying

    def drop(self, key: Key) -> float | None:
        """Don't show it any more. Gives the number in its row, if this process knows the try."""
        return self._mine.pop(key, None)

    def beat(self) -> None:
        """Show which tries go on, and end those of dead processes. To be called every `BEAT_S` seconds."""
        with self.lock:
            with self._database.write() as session:
                beaten = {
                    key: trying + 1
                    for key, trying in self._mine.items()
                    if session.scalar(_same(key, trying).values(trying=trying + 1).returning(Delivery.prediction))
                }
                rows = select(Delivery.prediction, Delivery.target, Delivery.trying).where(Delivery.trying.is_not(None))
                found = session.execute(rows).all()
            self._mine |= beaten
            others = {row[:2]: row.trying for row in found if row[:2] not in self._mine}
        self._rounds += 1
        ages = self._seen.ages(others, self._rounds)
        for key, trying in others.items():
            if ages[key] >= DEAD_AFTER:
                with self._database.write() as session:
                    session.execute(_same(key, trying).values(trying=None))


def new_number() -> float:
    """A number that nobody else has."""
    return random.random()


def is_(key: Key) -> ColumnElement[bool]:
    """The row of a delivery."""
    return and_(Delivery.prediction == key[0], Delivery.target == key[1])


def _same(key: Key, trying: float) -> Update:
    """A change of a delivery that is still being tried as it was."""
    return update(Delivery).where(is_(key), Delivery.trying == trying)
