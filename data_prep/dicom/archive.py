"""The DICOM files in what a sender sends: a file, a folder, a zip, uploads. Nothing is written to disk.

Every limit is checked before memory is used. The members of a zip are read by their position in the archive; their
names are only used in messages.
"""

import errno
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from data_prep.dicom.budget import Budget
from data_prep.errors import FileProblem, InputError, InputOverLimit, MalformedBody, MalformedInput
from data_prep.names import shown

StudyFiles = Path | Iterable[tuple[str, BinaryIO | Path]]

# DICOM files begin with 128 arbitrary bytes, then this prefix (PS3.10 7.1).
PREAMBLE, PREFIX = 128, b"DICM"
# A file without them may begin with its first element. This is an element of the file meta information, or of a data
# set's group 8, whose first elements are the group's length, SpecificCharacterSet, ImageType, dates and SOP UIDs.
FIRST_ELEMENTS = {2: (0x0000, 0x0002), 8: (0x0000, 0x001A)}
FIRST_VRS = (b"UL", b"OB", b"UI", b"CS", b"SH", b"DA", b"TM", b"ST")
# The longest value of these elements in implicit VR.
LONGEST_FIRST_VALUE = 1024
ZIP_MAGIC = b"PK"
# An answer names at most this many files that can't be read.
MOST_NAMED = 50
# Streams are read in pieces of this size, so that a false length costs only one piece.
PIECE = 1 << 20
# The size that a zip's directory may have for each file that the limits allow: 46 bytes, a path and extra fields.
DIRECTORY_BYTES_PER_FILE = 512
# Decoders of other methods can't be stopped after a given number of bytes.
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The exceptions that `zipfile` raises for a damaged archive.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)
# Those of its OSErrors that mean a damaged archive: it points to a place before the file's beginning.
WRONG_PLACE = (None, errno.EINVAL)


def begins_as_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes are those of a DICOM file, or of a data set alone, which some archives export."""
    if head[PREAMBLE:] == PREFIX:
        return True
    if len(head) < 8:
        return False
    for order in "<>":
        group, element = struct.unpack_from(f"{order}HH", head)
        first, last = FIRST_ELEMENTS.get(group, (1, 0))
        (length,) = struct.unpack_from(f"{order}I", head, 4)
        if first <= element <= last and (head[4:6] in FIRST_VRS or (order == "<" and length <= LONGEST_FIRST_VALUE)):
            return True
    return False


def has_preamble(head: bytes) -> bool:
    """Whether a file that begins like this has a preamble, and it isn't blank."""
    return head[PREAMBLE : PREAMBLE + len(PREFIX)] == PREFIX and any(head[:PREAMBLE])


def dicom_files(
    files: StudyFiles, budget: Budget, others: list[FileProblem]
) -> Iterator[tuple[str, bytes | MalformedInput]]:
    """Every DICOM file; other files are skipped. A zip is opened, a zip within it isn't.

    Args:
        files: the path of a file or folder, or names with streams or paths; streams must be seekable.
        budget: what remains of the limits.
        others: gets the files that are skipped.

    Yields:
        The name and the bytes of a DICOM file, or the error of a damaged file that may have been one.

    Raises:
        MalformedBody: there is no file at all, or a zip is damaged as a whole.
        MalformedInput: there is no DICOM file at all, or a zip is encrypted or packed by an unusual method.
        InputOverLimit: a limit is exceeded.
    """
    found = False
    for name, stream in _streams(files):
        for member, content in _unpack(name, stream, budget, others):
            found = True
            yield member, content
    if not found:
        raise _nothing_found(others)


def _nothing_found(others: Sequence[FileProblem]) -> InputError:
    if not others:
        return MalformedBody("Nothing was sent: no file.")
    first, named = others[0], tuple(others[:MOST_NAMED])
    return MalformedInput(f"No DICOM file among {len(others)}. The first: {first.file}: {first.detail}", named)


def _streams(files: StudyFiles) -> Iterator[tuple[str, BinaryIO]]:
    if not isinstance(files, Path):
        for name, source in files:
            if isinstance(source, Path):
                with source.open("rb") as stream:
                    yield shown(name), stream
            else:
                yield shown(name), source
        return
    root = files if files.is_dir() else files.parent
    for path in sorted(files.rglob("*")) if files.is_dir() else [files]:
        if path.is_file():
            with path.open("rb") as stream:
                yield shown(path.relative_to(root).as_posix()), stream


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


_Files = Iterator[tuple[str, bytes | MalformedInput]]


def _unpack(name: str, stream: BinaryIO, budget: Budget, others: list[FileProblem]) -> _Files:
    budget.take_sent(stream.seek(0, 2))
    stream.seek(0)
    head = stream.read(PREAMBLE + len(PREFIX))
    if head.startswith(ZIP_MAGIC) and not head.endswith(PREFIX):
        yield from _members(name, stream, budget, others)
        return
    budget.take_file()
    if begins_as_dicom(head):
        yield name, _rest(head, stream, budget)
    elif head:
        others.append(FileProblem(name, "It is neither DICOM nor a zip."))
    else:
        yield from _empty(name, others)


def _members(name: str, stream: BinaryIO, budget: Budget, others: list[FileProblem]) -> _Files:
    archive = _open_archive(name, stream, budget)
    for info in archive.infolist():
        if info.is_dir():
            continue
        member_name = shown(info.filename)
        try:
            with _damage(MalformedInput, member_name, "It is damaged in the zip."), archive.open(info) as member:
                head = member.read(PREAMBLE + len(PREFIX))
                content = _rest(head, member, budget) if begins_as_dicom(head) else None
        except MalformedInput as error:
            yield member_name, error
            continue
        if content is not None:
            yield member_name, content
        elif head.startswith(ZIP_MAGIC):
            others.append(FileProblem(member_name, "It is a zip within the zip, which isn't opened."))
        elif head:
            others.append(FileProblem(member_name, "It isn't DICOM."))
        else:
            yield from _empty(member_name, others)


def _empty(name: str, others: list[FileProblem]) -> _Files:
    """An empty file may be a lost slice (a full disk, a broken copy); hidden files are often empty on purpose."""
    problem = FileProblem(name, "The file is empty.")
    if is_hidden(name):
        others.append(problem)
    else:
        yield name, MalformedInput(f"{name}: {problem.detail}", (problem,))


def is_hidden(name: str) -> bool:
    """Whether a file's name begins with a dot, as those that desktops and tools add."""
    return PurePosixPath(name).name.startswith(".")


def _open_archive(name: str, stream: BinaryIO, budget: Budget) -> zipfile.ZipFile:
    """Open a zip; refuse it if its directory as a whole exceeds the limits."""
    with _damage(MalformedBody, name, "The zip archive is damaged or incomplete."):
        largest = max(PIECE, budget.limits.files * DIRECTORY_BYTES_PER_FILE)
        archive = zipfile.ZipFile(_SmallReads(stream, largest))
    files = [info for info in archive.infolist() if not info.is_dir()]
    for info in files:
        budget.take_file()
        if info.flag_bits & 1:
            raise MalformedInput("The zip is encrypted: send it without a password.")
        if info.compress_type not in ZIP_METHODS:
            raise MalformedInput("The zip is packed by an unusual method: pack it by the usual one (deflate).")
    budget.check_ratio(sum(info.file_size for info in files))
    return archive


def _rest(head: bytes, stream: _Readable, budget: Budget) -> bytes:
    """`head` and all bytes that follow it; reading stops as soon as a limit is exceeded."""
    pieces, size = [head], len(head)
    while size <= budget.largest_file and (piece := stream.read(PIECE)):
        pieces.append(piece)
        size += len(piece)
    budget.take_bytes(size)
    return b"".join(pieces)


class _SmallReads:
    """A stream that refuses large reads, because `zipfile` reads a whole directory at once, whatever its size."""

    def __init__(self, stream: BinaryIO, largest: int) -> None:
        self._stream = stream
        self._largest = largest
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._largest:
            raise InputOverLimit("The zip's directory is too large: send one study at a time.")
        return self._stream.read(size)


@contextmanager
def _damage(kind: type[InputError], name: str, detail: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.errno not in WRONG_PLACE:  # the disk's fault
            raise
        raise kind(f"{name}: {detail}", (FileProblem(name, detail),)) from None
