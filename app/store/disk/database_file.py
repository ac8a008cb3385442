"""Whether the file of an SQLite database is still the one that was opened, and still a database.

An open connection notices neither: it goes on with the old file, which nobody finds any more.
"""

import errno
import os
import threading
import weakref
from collections import Counter
from pathlib import Path

MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html, section 1.3


class FileGone(OSError):
    """The file of the database was deleted, renamed or overwritten. `strerror` is a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EIO, sentence)


# Garbage may be collected, and so a file closed, while its own thread holds this.
_USING = threading.RLock()
# By device and inode: how many use a file, and the descriptors to close when nobody does.
_users: Counter[tuple[int, int]] = Counter()
_kept: dict[tuple[int, int], list[int]] = {}


def _leave(same: tuple[int, int]) -> None:
    with _USING:
        _users[same] -= 1
        if not _users[same]:
            del _users[same]
            for descriptor in _kept.pop(same):
                os.close(descriptor)


class DatabaseFile:
    """An SQLite database's file as it was when it was opened.

    The file stays open until `close`, and until all that this process opened of the same file are closed: when a
    process closes a file, it loses all of its locks on the file, also those of SQLite's connections. Another process
    could then delete what was written last. See https://www.sqlite.org/howtocorrupt.html, section 2.2.

    Raises:
        OSError: There is no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        status = os.fstat(self._descriptor)
        same = (status.st_dev, status.st_ino)
        with _USING:
            _users[same] += 1
            _kept.setdefault(same, []).append(self._descriptor)
        self.close = weakref.finalize(self, _leave, same)

    def check(self) -> None:
        """Raises FileGone unless the same file is still there and begins like a database."""
        try:
            same = os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
            head = os.pread(self._descriptor, len(MAGIC), 0)
        except OSError:
            raise FileGone("The file of the database is gone.") from None
        if not same:
            raise FileGone("The file of the database was replaced by another one; restart the service.")
        if head != MAGIC:
            raise FileGone("The file of the database is damaged.")
