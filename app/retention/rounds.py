"""Retention in a running service: a sweep every now and then."""

import logging
import time
from collections.abc import Callable
from itertools import islice

from app.retention.calendar import PAUSE_S, Calendar
from app.retention.sweep import Found, Sweep, in_words

LOG = logging.getLogger(__name__)
# Things of each kind that one round deletes, so that a service can be stopped meanwhile.
BATCH = 50
# After a look, this many times its own duration passes before the next one: looks take 5 % of the time at most.
REST = 20.0
# Seconds between two lines of a dry run, and between two lines about a doubtful clock.
TOLD_S = 3600.0


class Rounds:
    """Sweeps again and again.

    Args:
        sweep: Finds and deletes what is due.
        calendar: Gives the time.
        dry_run: Whether to say what would go, and delete nothing.
        elapsed: Gives seconds; only differences count.
    """

    def __init__(
        self, sweep: Sweep, calendar: Calendar, dry_run: bool, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._sweep, self._calendar, self._dry_run, self._elapsed = sweep, calendar, dry_run, elapsed
        self._next_s = self._tell_s = self._warn_s = float("-inf")

    def round(self) -> bool:
        """One round, unless it is too early for it. Returns whether there is more to do at once."""
        begun = self._elapsed()
        if begun < self._next_s:
            return False
        found = self._sweep.look(self._calendar.advance())
        self._next_s = begun + (REST + 1) * (self._elapsed() - begun)
        self._warn(begun)
        if self._dry_run:
            self._tell(found, begun)
            return False
        return self._delete(found)

    def _delete(self, found: list[Found]) -> bool:
        deleted = [(one.kind, self._sweep.delete(one.kind, islice(one.due, BATCH))) for one in found]
        if said := in_words(deleted):
            LOG.info("expired: %s", said)
        if more := any(len(each) == BATCH for _, each in deleted):
            self._next_s = float("-inf")
        return more

    def _tell(self, found: list[Found], now_s: float) -> None:
        if now_s >= self._tell_s:
            self._tell_s = now_s + TOLD_S
            LOG.info("a dry run: would expire: %s", in_words((one.kind, one.due) for one in found) or "nothing")

    def _warn(self, now_s: float) -> None:
        if self._calendar.behind_s() > PAUSE_S and now_s >= self._warn_s:
            self._warn_s = now_s + TOLD_S
            LOG.error(
                "the clock is %.1f days ahead of what retention goes by: it was set, or the service didn't run. If the "
                "clock is right, run python -m app.retention --trust-clock",
                self._calendar.behind_s() / 86_400,
            )
