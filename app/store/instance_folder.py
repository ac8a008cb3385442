"""The folder that holds instances as files. Several processes may use it at once.

<folder>/.incoming/           files that are being received; files left by a crash are deleted at a later start
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

# Seconds. An incoming file that is older than this was left by a process that died.
ABANDONED_S = 3600


class InstanceFolder:
    """A folder of instances.

    Attributes:
        incoming: Folder for files that are still being written, by this process or by another receiver.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.incoming = path / ".incoming"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.incoming.mkdir(exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder: no other thread or process moves or deletes files. Incoming files can still be written."""
        with (self._path / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def new_files(self) -> Iterator[Path]:
        """Unused paths for incoming files."""
        prefix, number = uuid.uuid4().hex, 0
        while True:
            yield self.incoming / f"{prefix}-{number}"
            number += 1

    def path(self, study_uid: str, digest: str) -> Path:
        """The path of an instance's file."""
        return self._path / study_uid / digest

    def move(self, incoming: Path, study_uid: str, digest: str) -> None:
        """Move an incoming file to its final path. Only after `flush` does the move survive a crash."""
        place = self.path(study_uid, digest)
        if not place.parent.exists():
            place.parent.mkdir()
            flush_folder(self._path)
        incoming.rename(place)

    def flush(self, study_uid: str) -> None:
        """Write the names of a study's files to the disk, so that a crash can't lose them."""
        flush_folder(self._path / study_uid)

    def remove(self, study_uid: str) -> None:
        """Delete a study's files."""
        shutil.rmtree(self._path / study_uid)

    def sweep(self, known: set[Path]) -> None:
        """Delete files left by processes that died while they received or deleted.

        Args:
            known: The files to keep.
        """
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
    """Copy a file to the disk and close it.

    The digest is of the data set only: senders write their own file meta information, so it may differ for the same
    instance.

    Args:
        path: The new file.
        stream: A seekable file.
        start: Offset of the data set in bytes.

    Returns:
        sha256 of the data set, and the size of the file in bytes.
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
