"""How log lines are written: the message of an exception never appears, because it may quote what a client sent."""

import logging
import threading
import traceback
from types import TracebackType

LOG = logging.getLogger(__name__)
# Enough to show where an error came from. Logged frames contain no values, so no patient data.
LOGGED_FRAMES = 4
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def place(trace: TracebackType | None) -> str:
    """The innermost frames of a traceback, as files and lines."""
    frames = traceback.extract_tb(trace)[-LOGGED_FRAMES:]
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))


class Formatter(logging.Formatter):
    """Time, level, name and message of a record. Of an exception, only its type and place are written."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line. What another formatter has made of the exception isn't used."""
        record.exc_text = None
        return super().format(record)

    def formatException(self, ei: ExceptionInfo) -> str:
        """The type and place of an exception."""
        return f"{ei[0].__name__ if ei[0] else 'no exception'} at {place(ei[2])}"


def log_thread(failed: threading.ExceptHookArgs) -> None:
    """Log an exception that ended a thread (for `threading.excepthook`), without its message."""
    LOG.error("a thread ended: %s at %s", failed.exc_type.__name__, place(failed.exc_traceback))
