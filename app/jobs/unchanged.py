"""How long values in the database have been the same, as this process sees it."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Seconds between two rounds. In each round, a process renews its leases and looks at those of the others.
BEAT_S = 2.0
# A lease that was the same in this many rounds after the first is ended: its process died. Rounds are counted, not
# seconds, and only those in which the database could be written: so a database that was locked ends no lease.
DEAD_AFTER = 5


class Unchanged:
    """Remembers since when each value has been what it is."""

    def __init__(self) -> None:
        self._since: dict[Any, tuple[Any, float]] = {}

    def ages(
        self, values: Mapping[Key, Any], now: float, age_of_new: Callable[[Any], float] = lambda _: 0.0
    ) -> dict[Key, float]:
        """For how long each value has been the same.

        Args:
            values: All values by key. Other keys are forgotten.
            now: In seconds, or any other count that only grows.
            age_of_new: The age of a value that is new, or that differs from the last call's.
        """
        known = self._since
        self._since = {
            key: known[key] if key in known and known[key][0] == value else (value, now - age_of_new(value))
            for key, value in values.items()
        }
        return {key: now - since for key, (_, since) in self._since.items()}
