"""The progress of long work: a bar on a terminal; elsewhere a line at regular times and one at the end.

A log file gets a line for each phase, with its time, and a line at least every `EVERY_S` seconds, however long a single
item takes.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
# Seconds between two lines in a log; people wait about 20 s before they ask whether the program still works.
EVERY_S = 15.0
# Seconds between two updates of a bar while one item takes long, so that its clock continues.
REFRESH_S = 1.0
# A shorter phase gets no line.
BRIEF_S = 1.0


class Progress:
    """Shows how much of some work is done. Use it as a context manager, and call `update` when items are done.

    Attributes:
        total: how many items there are.
        what: the name of the work.
        unit: the name of an item, in the singular.
        done: how many items are done; `initial` at the start.
        quiet: whether to write no line at the end.
        note: an addition to each line, such as a loss; may be set at any time.
    """

    def __init__(self, total: int, what: str, unit: str = "exam", initial: int = 0, quiet: bool = False) -> None:
        self.total, self.what, self.unit, self.done, self.quiet = total, what, unit, initial, quiet
        self.note = ""
        self._start, self._over = time.monotonic(), threading.Event()
        self._as_bar = shows_bars()
        self._bar = tqdm(total=total, desc=what, unit=unit, initial=initial, leave=not quiet, disable=not self._as_bar)
        self._thread = threading.Thread(target=self._tell, name=f"progress of {what}", daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def update(self, count: int = 1) -> None:
        self.done += count
        self._bar.update(count)

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._bar.close()
        if not (self._as_bar or self.quiet) and kind is None and time.monotonic() - self._start >= BRIEF_S:
            self._line()

    def _tell(self) -> None:
        every = REFRESH_S if self._as_bar else EVERY_S
        while not self._over.wait(every):
            if self._as_bar:
                self._bar.refresh()
            else:
                self._line()

    @property
    def plural(self) -> str:
        """The unit's name in the form for `total` items."""
        if self.total == 1:
            return self.unit
        return {"study": "studies", "batch": "batches"}.get(self.unit, f"{self.unit}s")

    def _line(self) -> None:
        took = time.monotonic() - self._start
        note = f", {self.note}" if self.note else ""
        text = f"{self.what}: {self.done} of {self.total} {self.plural}, {duration(took)}{note}"
        print(text, file=sys.stderr, flush=True)


def with_progress(items: Sequence[Item], what: str, unit: str = "exam") -> Iterator[Item]:
    """The items, while the number of finished ones is shown."""
    with Progress(len(items), what, unit) as progress:
        for item in items:
            yield item
            progress.update()


@contextmanager
def phase(what: str) -> Iterator[None]:
    """Shows that work without countable items continues, and how long it took."""
    with Progress(1, what, "step") as progress:
        yield
        progress.update()


def shows_bars() -> bool:
    """Whether standard error is a terminal that can move its cursor back."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
