"""Work that comes round again and again, beside the requests: a thread for each kind of it."""

import logging
import threading
from collections.abc import Callable

from app.contract.problems import log_unexpected

LOG = logging.getLogger(__name__)
# A round that hasn't ended by then is left to end with the process.
STOP_S = 10.0


class Periodic:
    """Calls `work` every so many seconds, in a thread of its own; what it raises is logged, and the rounds go on."""

    def __init__(self, name: str, work: Callable[[], object], every_s: float) -> None:
        self._work, self._every_s = work, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round at hand."""
        self._over.set()
        self._thread.join(STOP_S)

    def _go(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._work()
            except Exception as error:
                log_unexpected(error)
