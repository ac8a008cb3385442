"""Whether the file of an SQLite database is still the one that was opened, and still a database.

An open connection notices neither: it goes on with the old file, which nobody finds any more.
"""

import errno
from pathlib import Path
from typing import NamedTuple

MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html, section 1.3


class FileGone(OSError):
    """The file of the database was deleted, renamed or overwritten. `strerror` is a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EIO, sentence)


class DatabaseFile(NamedTuple):
    """An SQLite database's file as it was when it was opened."""

    path: Path
    device: int
    number: int

    @classmethod
    def of(cls, path: Path) -> "DatabaseFile":
        """The file that is there now. Raises OSError if there is none."""
        status = path.stat()
        return cls(path, status.st_dev, status.st_ino)

    def check(self) -> None:
        """Raises FileGone unless the same file is still there and begins like a database."""
        try:
            same = DatabaseFile.of(self.path) == self
            with self.path.open("rb") as stream:
                head = stream.read(len(MAGIC))
        except OSError:
            raise FileGone("The file of the database is gone.") from None
        if not same:
            raise FileGone("The file of the database was replaced by another one; restart the service.")
        if head != MAGIC:
            raise FileGone("The file of the database is damaged.")
