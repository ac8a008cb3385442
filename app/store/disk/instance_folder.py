"""The folder that holds instances as files. Several processes may use it at once.

<folder>/<study>/<digest>                 DICOM files (PS3.10); their preambles are blank
<folder>/<study>/<digest>.metadata-1.gz   metadata of one (metadata_file.py)
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.contract.problems import log_unexpected
from app.store.disk.metadata_file import BESIDE, beside, packed, unpacked
from app.store.disk.shared_folder import SharedFolder, delete_folder, undeletable
from data_prep.dicom.archive import PIECE, PREAMBLE
from data_prep.files import flush_folder


class InstanceFolder(SharedFolder):
    """A folder of instances."""

    def file(self, study_uid: str, digest: str) -> Path:
        """The path of an instance's file."""
        return self.path / study_uid / digest

    def holds(self, study_uid: str, digest: str, size: int) -> bool:
        """Whether the file is there, and as many bytes long as the database says."""
        try:
            return self.file(study_uid, digest).stat().st_size == size
        except OSError:
            return False

    def move(self, incoming: Path, study_uid: str, digest: str) -> None:
        """Move an incoming file to its final path. Only after `flush` does the move survive a crash."""
        place = self.file(study_uid, digest)
        if not place.parent.exists():
            place.parent.mkdir(mode=0o700)
            flush_folder(self.path)
        incoming.rename(place)

    def flush(self, study_uid: str) -> None:
        """Write the names of a study's files to the disk, so that a crash can't lose them."""
        flush_folder(self.path / study_uid)

    def metadata(self, study_uid: str, digest: str) -> bytes | None:
        """The metadata that are kept of a file; None if there are none, or they are damaged."""
        try:
            return unpacked(beside(self.file(study_uid, digest)).read_bytes())
        except OSError:
            return None

    def keep_metadata(self, contents: Mapping[tuple[str, str], bytes]) -> None:
        """Keep metadata beside the files that are still there.

        Args:
            contents: By study and digest.

        Raises:
            OSError: The disk is full, or can't be written to.
        """
        for (study_uid, digest), content in contents.items():
            new = next(self.new_files())
            try:
                new.write_bytes(packed(content))
                file = self.file(study_uid, digest)
                with self.alone():
                    if file.exists():
                        new.rename(beside(file))
            finally:
                new.unlink(missing_ok=True)

    @contextmanager
    def reading(self, study_uid: str) -> Iterator[None]:
        """Tell every process that files of a study are being read. Does nothing if the study has no files."""
        with _folder_lock(self.path / study_uid, fcntl.LOCK_SH):
            yield

    @contextmanager
    def unread(self, study_uid: str) -> Iterator[bool]:
        """Whether nobody is `reading` the study. As long as the block runs, nobody begins to."""
        try:
            with _folder_lock(self.path / study_uid, fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield True
        except BlockingIOError:
            yield False

    def remove(self, study_uid: str) -> None:
        """Delete a study's files. Raises ServiceUnavailable if the disk doesn't let us."""
        delete_folder(self.path / study_uid)

    def remove_files(self, study_uid: str, digests: Iterable[str]) -> None:
        """Delete some files of a study. Raises ServiceUnavailable if the disk doesn't let us."""
        try:
            for digest in digests:
                for path in (self.file(study_uid, digest), beside(self.file(study_uid, digest))):
                    path.unlink(missing_ok=True)
            self.flush(study_uid)
        except FileNotFoundError:  # the study's folder is missing
            pass
        except OSError as error:
            log_unexpected(error)
            raise undeletable() from None

    def files(self) -> set[Path]:
        """Every DICOM file, except unfinished ones."""
        return set(files_in(self.path))

    def set_files_aside(self, paths: list[Path]) -> int:
        """Move files out of the folder (`set_aside`), and delete the folders of studies that are empty then."""
        moved = self.set_aside(paths)
        for path in paths:
            with suppress(OSError):
                beside(path).unlink(missing_ok=True)
        for folder in {path.parent for path in paths} - {self.path}:
            with suppress(OSError):
                folder.rmdir()
        return moved


@contextmanager
def _folder_lock(folder: Path, operation: int) -> Iterator[None]:
    """Lock a folder itself. Raises BlockingIOError if `operation` says so. A folder that is missing isn't locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            raise
        except OSError:  # network file systems don't lock folders; there, reading may end with "has expired"
            pass
        yield
    finally:
        os.close(descriptor)


def files_in(folder: Path) -> Iterator[Path]:
    """The DICOM files of a folder of instances: no locks and unfinished files, whose names begin with a dot."""
    for place, folders, files in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if not name.startswith(".")]
            files = [name for name in files if not name.startswith(".")]
        yield from (Path(place, name) for name in files if BESIDE not in name)


def write(path: Path, stream: BinaryIO, start: int) -> tuple[str, int]:
    """Copy a file to the disk and close it.

    The preamble is written as zeros (PS3.10 7.1): a sender can make it the beginning of a program or of a picture, and
    DICOM doesn't need it. The digest is of the data set only: senders write their own file meta information, so it may
    differ for the same instance.

    Args:
        path: The new file.
        stream: A seekable file with a preamble.
        start: Offset of the data set in bytes.

    Returns:
        sha256 of the data set, and the size of the file in bytes.
    """
    digest, size = hashlib.sha256(), 0
    with stream, path.open("xb") as file:
        stream.seek(PREAMBLE)
        size += file.write(bytes(PREAMBLE) + stream.read(start - PREAMBLE))
        while piece := stream.read(PIECE):
            digest.update(piece)
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def digest_of(stream: BinaryIO, start: int) -> str:
    """sha256 of the data set of a file, which begins at `start`."""
    stream.seek(start)
    digest = hashlib.sha256()
    while piece := stream.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def blank_preamble(path: Path) -> None:
    """Write zeros over a file's preamble, where it is."""
    with path.open("rb+") as file:
        file.write(bytes(PREAMBLE))
        file.flush()
        os.fsync(file.fileno())
