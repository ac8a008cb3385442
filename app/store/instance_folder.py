"""The folder that holds instances as files, for any number of processes at once.

<folder>/.incoming/           files on their way in; what a crash leaves there goes at a later start
<folder>/<study>/<digest>     DICOM files (PS3.10)
"""

import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from data_prep.dicom.archive import PIECE
from data_prep.files import flush_folder

# A file that came in longer ago than this belonged to a process that died.
ABANDONED_S = 3600


class InstanceFolder:
    """incoming: for files that are still being written, by us and by whoever else receives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.incoming = path / ".incoming"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.incoming.mkdir(exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread or process moves or deletes; who writes incoming files isn't held up."""
        with (self._path / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def new_files(self) -> Iterator[Path]:
        """Places for incoming files."""
        prefix, number = uuid.uuid4().hex, 0
        while True:
            yield self.incoming / f"{prefix}-{number}"
            number += 1

    def path(self, study_uid: str, digest: str) -> Path:
        """Where an instance lies."""
        return self._path / study_uid / digest

    def move(self, incoming: Path, study_uid: str, digest: str) -> None:
        """Give a file its place; `flush` makes that last."""
        place = self.path(study_uid, digest)
        if not place.parent.exists():
            place.parent.mkdir()
            flush_folder(self._path)
        incoming.rename(place)

    def flush(self, study_uid: str) -> None:
        """When this returns, a crash can't take the names of a study's files."""
        flush_folder(self._path / study_uid)

    def remove(self, study_uid: str) -> None:
        """A study's files."""
        shutil.rmtree(self._path / study_uid)

    def sweep(self, known: set[Path]) -> None:
        """Remove what processes left that died while they received or deleted: all but these files."""
        for path in self.incoming.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()
        for folder in self._path.iterdir():
            if folder.is_dir() and folder != self.incoming:
                files = set(folder.iterdir())
                for path in files - known:
                    path.unlink()
                if not files & known:
                    folder.rmdir()


def write(path: Path, stream: BinaryIO, start: int) -> tuple[str, int]:
    """Copy a file to the disk and close it. Size, and digest of its data set, which begins at `start`.

    Senders write their own file meta information, so the same instance may come with another one.
    """
    digest, size = hashlib.sha256(), 0
    with stream, path.open("xb") as file:
        stream.seek(0)
        size += file.write(stream.read(start))
        while piece := stream.read(PIECE):
            digest.update(piece)
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size
