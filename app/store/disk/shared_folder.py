"""A folder that several processes use at once. Each has a folder of its own for files that aren't finished.

<folder>/.lock                 locked while files are moved or deleted
<folder>/.incoming/<process>/  files that a process is still writing. The process holds a lock on `.lock` in it while it
                               runs, so a folder that isn't locked was left by a process that ended: it is deleted

Nothing else is ever deleted here because it isn't known; it is set aside.
"""

import fcntl
import os
import shutil
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from werkzeug.exceptions import NotFound, ServiceUnavailable

from app.contract.problems import log_unexpected
from data_prep.files import flush_folder

INCOMING, LOCK, ASIDE = ".incoming", ".lock", "set-aside"
# Seconds. Version 0.1 wrote without locks. What it left is deleted when it is older than this.
ABANDONED_S = 3600


class FileLost(NotFound):
    """A file that the database lists is missing, damaged or unreadable. Sending the study again writes it again.

    Code that can do without the file treats this like NotFound. A client gets status 503.
    """

    code = 503


class SharedFolder:
    """A folder and its lock. It is made if it doesn't exist, and what dead processes left is deleted.

    Attributes:
        path: The folder.
        incoming: This process's own folder for unfinished files. It is on the same disk as `path`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / INCOMING).mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.alone():
            for leftover in leftovers(path):
                _delete(leftover)
            self.incoming = path / INCOMING / uuid.uuid4().hex
            self.incoming.mkdir(mode=0o700)
            lock = _lock(self.incoming)
        weakref.finalize(self, os.close, lock)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder: no other thread or process moves or deletes files. Incoming files can still be written."""
        with locked(self.path):
            yield

    def new_files(self) -> Iterator[Path]:
        """Unused paths in `incoming`."""
        prefix, number = uuid.uuid4().hex, 0
        while True:
            yield self.incoming / f"{prefix}-{number}"
            number += 1

    def set_aside(self, paths: Iterable[Path]) -> int:
        """Move files or folders to `set-aside/<time>/` beside this folder, where they keep their relative paths.

        What can't be moved stays where it is. The caller holds `alone()`.

        Returns:
            How many were moved.
        """
        root = self.path.parent / ASIDE / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{uuid.uuid4().hex[:8]}"
        moved = 0
        for path in paths:
            place = root / path.relative_to(self.path.parent)
            try:
                for folder in (root.parent, root):
                    folder.mkdir(exist_ok=True, mode=0o700)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)
                moved += 1
            except OSError as error:
                log_unexpected(error)
        return moved


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock. Other threads and processes that want it wait."""
    lock = _lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def leftovers(path: Path) -> list[Path]:
    """What processes that ended left in `.incoming`, and what version 0.1 left as hidden files and folders."""
    left = [folder for folder in (path / INCOMING).glob("*") if folder.is_dir() and not _is_alive(folder)]
    early = [*(file for file in (path / INCOMING).glob("*") if not file.is_dir()), *path.glob(".*")]
    return left + [one for one in early if one.name not in (INCOMING, LOCK) and _age_s(one) > ABANDONED_S]


def delete_folder(path: Path) -> None:
    """Delete a folder where it is. This needs no space on the disk, so it works on a full one.

    Raises:
        ServiceUnavailable: A file can't be deleted. The other ones may be gone; deleting can be tried again.
    """
    try:
        shutil.rmtree(path)
        flush_folder(path.parent)  # otherwise a power cut could bring the files back when their rows are gone
    except FileNotFoundError:
        pass
    except OSError as error:
        log_unexpected(error)
        raise undeletable() from None


def undeletable() -> ServiceUnavailable:
    """The error of files that the service isn't allowed to delete."""
    return ServiceUnavailable(
        "The service's disk doesn't let it delete these files. When its administrator has changed that, delete again."
    )


def _lock(folder: Path) -> int:
    """Wait for a folder's lock. It is held until the descriptor is closed, or the process ends."""
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _is_alive(folder: Path) -> bool:
    """Whether the process that this folder belongs to still runs. The caller holds the lock of the shared folder."""
    try:
        with (folder / LOCK).open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _age_s(path: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - path.lstat().st_mtime
    return 0.0


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
