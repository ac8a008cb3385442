"""Faults of the service or its machine. They are never a study's failure: the work is tried again after a pause."""

import time
from collections.abc import Callable
from threading import Lock

from sqlalchemy import exc

# A locked, stopped or full database; a full disk or one that fails; too little memory.
FAULTS = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError, OSError, MemoryError)
# Seconds. Each pause is twice the one before.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0


class Pauses:
    """What isn't to be tried for some time, because it met a fault. What met none for long is forgotten.

    Args:
        elapsed: Gives seconds; only differences count.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._lock = Lock()
        self._pauses: dict[str, tuple[float, float]] = {}

    def begin(self, key: str) -> None:
        """Begin a pause. It is twice as long as the one before."""
        with self._lock:
            last_s, _ = self._pauses.get(key, (FIRST_PAUSE_S / 2, 0.0))
            length_s = min(2 * last_s, LONGEST_PAUSE_S)
            self._pauses[key] = (length_s, self._elapsed() + length_s)

    def forget(self, key: str) -> None:
        """It has succeeded, or is gone."""
        with self._lock:
            self._pauses.pop(key, None)

    def current(self) -> set[str]:
        """What isn't to be tried now."""
        with self._lock:
            now = self._elapsed()
            self._pauses = {key: pause for key, pause in self._pauses.items() if now < pause[1] + LONGEST_PAUSE_S}
            return {key for key, (_, until) in self._pauses.items() if now < until}
