"""Work that is repeated in the background, each kind in its own thread."""

import logging
import threading
from collections.abc import Callable

from app.contract.problems import log_unexpected

LOG = logging.getLogger(__name__)
# Seconds to wait for the current round. After that, it ends with the process.
STOP_S = 10.0


class Periodic:
    """Calls `work` every `every_s` seconds in its own thread; at once after a round that returned True.

    Exceptions are logged, and the rounds continue.
    """

    def __init__(self, name: str, work: Callable[[], object], every_s: float) -> None:
        self._work, self._every_s = work, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        """Start the rounds; returns at once."""
        self._thread.start()

    def end(self) -> None:
        """Begin no more rounds; returns at once."""
        self._over.set()

    def stop(self, within_s: float = STOP_S) -> None:
        """Begin no more rounds, and wait for the current one, but not longer than `within_s`."""
        self.end()
        self._thread.join(within_s)

    def once(self) -> bool:
        """Do the work now, in the caller's thread. Returns whether there is more to do at once."""
        try:
            return self._work() is True
        except Exception as error:
            log_unexpected(error)
            return False

    def _go(self) -> None:
        again = False
        while not self._over.wait(0 if again else self._every_s):
            again = self.once()
