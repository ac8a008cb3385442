"""Work that is repeated in the background, each kind in its own thread."""

import logging
import threading
from collections.abc import Callable

from app.contract.problems import log_unexpected

LOG = logging.getLogger(__name__)
# Seconds to wait for the current round. After that, it ends with the process.
STOP_S = 10.0


class Periodic:
    """Calls `work` every `every_s` seconds in its own thread. Exceptions are logged, and the rounds continue."""

    def __init__(self, name: str, work: Callable[[], object], every_s: float) -> None:
        self._work, self._every_s = work, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        """Start the rounds; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current round."""
        self._over.set()
        self._thread.join(STOP_S)

    def once(self) -> None:
        """Do the work now, in the caller's thread."""
        try:
            self._work()
        except Exception as error:
            log_unexpected(error)

    def _go(self) -> None:
        while not self._over.wait(self._every_s):
            self.once()
