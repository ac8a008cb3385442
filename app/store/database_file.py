"""Whether the file of an SQLite database is still the one that was opened, and still a database.

An open connection notices neither: it goes on with the old file, which nobody finds any more.
"""

import errno
import os
import weakref
from pathlib import Path

MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html, section 1.3


class FileGone(OSError):
    """The file of the database was deleted, renamed or overwritten. `strerror` is a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EIO, sentence)


class DatabaseFile:
    """An SQLite database's file as it was when it was opened.

    The file stays open until `close`: when a process closes a file, it loses all of its locks on the file, also those
    of SQLite's connections. Another process could then delete what was written last.
    See https://www.sqlite.org/howtocorrupt.html, section 2.2.

    Raises:
        OSError: There is no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, self._descriptor)

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
