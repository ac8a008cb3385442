"""Space on a disk that only deletions may use. Without it, SQLite couldn't delete a row on a full disk."""

import os
from contextlib import suppress
from pathlib import Path

# Bytes. Deleting the rows of a prediction writes some pages of 4 KiB.
RESERVED = 1 << 20


class Reserve:
    """A file that takes space, and is deleted when a deletion needs its space.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def offer(self) -> None:
        """Give the space away if the disk is full. Take it again if there is enough."""
        with suppress(OSError):
            disk = os.statvfs(self._path.parent)
            free = disk.f_bavail * disk.f_frsize
            if free < RESERVED:
                self._path.unlink(missing_ok=True)
            elif free > 2 * RESERVED and not self._path.exists():
                self._take()

    def _take(self) -> None:
        file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.posix_fallocate(file, 0, RESERVED)
        finally:
            os.close(file)
