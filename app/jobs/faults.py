"""Faults of the service or its machine. They are never a study's failure: the work is tried again after a pause.

What a machine does may pass, so such work is tried for ever. An error that nobody expects is a fault of this program,
which hardly passes: after `TRIES` the answer says whose fault it is, and sending the study again begins anew.
"""

import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from sqlalchemy import exc
from werkzeug.exceptions import HTTPException

from app.contract.problems import OURS, Problem, problem_of

# A locked, stopped or full database; a full disk or one that fails; too little memory.
FAULTS = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError, OSError, MemoryError)
# Seconds. Each pause is twice the one before.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
TRIES = 3
GIVEN_UP = Problem(
    500,
    "Internal Server Error",
    f"The service failed {TRIES} times on this study. The fault is the service's, not the study's; its log says where. "
    "Send the study again, and the service tries again.",
    OURS,
)


def is_ours(error: Exception) -> bool:
    """Whether an error is a fault of this program: not of the input, the request, the disk or the database."""
    return problem_of(error).status == GIVEN_UP.status and not isinstance(error, HTTPException)


class Failures:
    """How often something has failed in a row by faults of this program, as this process saw it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def is_enough(self, key: str) -> bool:
        """Count a failure. Returns whether it was the last try."""
        with self._lock:
            self._counts[key] += 1
            if self._counts[key] < TRIES:
                return False
            del self._counts[key]
            return True

    def forget(self, key: str) -> None:
        """It has succeeded, or is gone."""
        with self._lock:
            del self._counts[key]


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
