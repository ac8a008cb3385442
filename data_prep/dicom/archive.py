"""The DICOM files in what a sender sends: a file, a folder, a zip, uploads. Nothing is written to disk.

Every limit is checked before memory is used. The members of a zip are read by their position in the archive; their
names are only used in messages.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from data_prep.errors import FileProblem, InputError, InputOverLimit, MalformedInput, UnsupportedInput
from data_prep.names import shown

StudyFiles = Path | Iterable[tuple[str, BinaryIO]]

# DICOM files begin with 128 arbitrary bytes, then this prefix (PS3.10 7.1).
PREAMBLE, PREFIX = 128, b"DICM"
# A file without them may begin with its first element. This is an element of the file meta information, or of a data
# set's group 8, whose first elements are the group's length, SpecificCharacterSet, ImageType, dates and SOP UIDs.
FIRST_ELEMENTS = {2: (0x0000, 0x0002), 8: (0x0000, 0x001A)}
FIRST_VRS = (b"UL", b"OB", b"UI", b"CS", b"SH", b"DA", b"TM", b"ST")
# The longest value of these elements in implicit VR.
LONGEST_FIRST_VALUE = 1024
ZIP_MAGIC = b"PK"
# Streams are read in pieces of this size, so that a false length costs only one piece.
PIECE = 1 << 20
# The size that a zip's directory may have for each file that the limits allow: 46 bytes, a path and extra fields.
DIRECTORY_BYTES_PER_FILE = 512
# The compression ratio is only checked above this size: a small blank study may have any ratio.
RATIO_FREE_BYTES = 16 << 20
# Decoders of other methods can't be stopped after a given number of bytes.
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The exceptions that `zipfile` raises for a damaged archive.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)


@dataclass(frozen=True)
class Limits:
    """The largest study that is accepted.

    Attributes:
        files: number of files, DICOM or not.
        file_bytes: size of one file, unpacked.
        unpacked_bytes: size of all files together, unpacked.
        compression_ratio: unpacked size divided by packed size, of a whole zip or a deflated instance; usual studies
            have 2 to 10.
        frame_side: rows or columns of one image.
        frames: number of images.
        voxels: pixels of all images together.
    """

    files: int = 5000
    file_bytes: int = 512 << 20
    unpacked_bytes: int = 2 << 30
    compression_ratio: float = 200.0
    frame_side: int = 4096
    frames: int = 20_000
    voxels: int = 1 << 28


class Budget:
    """How much of the limits remains while one study is read. Its methods raise InputOverLimit."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._files = limits.files
        self._bytes = limits.unpacked_bytes
        self._frames = limits.frames
        self._voxels = limits.voxels

    def take_file(self) -> None:
        """Count one file."""
        self._files -= 1
        if self._files < 0:
            raise InputOverLimit(f"More than {self.limits.files} files: send one study at a time.")

    @property
    def largest_file(self) -> int:
        """How many bytes the next file may have."""
        return min(self.limits.file_bytes, self._bytes)

    def take_bytes(self, size: int) -> None:
        """Count bytes that are in memory or will be read next."""
        self._bytes -= size
        if size > self.limits.file_bytes:
            raise InputOverLimit(f"A file unpacks to more than {self.limits.file_bytes:,} bytes.")
        if self._bytes < 0:
            raise InputOverLimit(f"The files unpack to more than {self.limits.unpacked_bytes:,} bytes in all.")

    def take_frames(self, frames: int, rows: int, columns: int) -> None:
        """Count the images that a header declares; refused images aren't counted."""
        side = self.limits.frame_side
        if max(rows, columns) > side:
            raise InputOverLimit(f"The header declares {rows} x {columns} pixels; we take up to {side} x {side}.")
        voxels = frames * rows * columns
        if frames > self._frames or voxels > self._voxels:
            raise InputOverLimit(
                f"The headers declare more than {self.limits.frames:,} images or {self.limits.voxels:,} pixels in all."
            )
        self._frames -= frames
        self._voxels -= voxels

    def check_ratio(self, unpacked: int, packed: int) -> None:
        """Refuse a file that unpacks to suspiciously many bytes."""
        if unpacked > max(RATIO_FREE_BYTES, self.limits.compression_ratio * packed):
            raise InputOverLimit(f"It unpacks to more than {self.limits.compression_ratio:g} times its size.")

    def inflate(self, packed: bytes) -> bytes:
        """Unpack a raw deflate stream (PS3.5 A.5), never beyond the limits.

        Raises:
            MalformedInput: the stream is damaged or cut short.
            InputOverLimit: it unpacks to too many bytes.
        """
        by_ratio = int(max(RATIO_FREE_BYTES, self.limits.compression_ratio * len(packed)))
        largest = min(self.largest_file, by_ratio)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, largest + 1)
        except zlib.error:
            raise MalformedInput("The deflated data set is damaged.") from None
        if len(content) > largest:
            raise InputOverLimit(f"The deflated data set unpacks to more than {largest:,} bytes.")
        if not inflater.eof:
            raise MalformedInput("The deflated data set is cut short.")
        self.take_bytes(len(content))
        return content


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


def dicom_files(files: StudyFiles, budget: Budget) -> Iterator[tuple[str, bytes | MalformedInput]]:
    """Every DICOM file; other files are skipped. A zip is opened, a zip within it isn't.

    Args:
        files: the path of a file or folder, or names and streams; streams must be seekable and be at their start.
        budget: what remains of the limits.

    Yields:
        The name and the bytes of a DICOM file, or the error of a damaged file that may have been one.

    Raises:
        MalformedInput: there is no DICOM file at all.
        InputOverLimit: a limit is exceeded.
        UnsupportedInput: a zip is encrypted or has an unusual compression method.
    """
    others: list[str] = []
    found = False
    for name, stream in _streams(files):
        for member, content in _unpack(name, stream, budget, others):
            found = True
            yield member, content
    if not found:
        raise MalformedInput(_nothing_found(others))


def _nothing_found(others: Sequence[str]) -> str:
    if not others:
        return "Nothing was sent: no file."
    return f"No DICOM file among {len(others)}: {'; '.join(others[:3])}{' ...' if len(others) > 3 else ''}."


def _streams(files: StudyFiles) -> Iterator[tuple[str, BinaryIO]]:
    if not isinstance(files, Path):
        yield from ((shown(name), stream) for name, stream in files)
        return
    root = files if files.is_dir() else files.parent
    for path in sorted(files.rglob("*")) if files.is_dir() else [files]:
        if path.is_file():
            with path.open("rb") as stream:
                yield shown(path.relative_to(root).as_posix()), stream


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


_Files = Iterator[tuple[str, bytes | MalformedInput]]


def _unpack(name: str, stream: BinaryIO, budget: Budget, others: list[str]) -> _Files:
    head = stream.read(PREAMBLE + len(PREFIX))
    if head.startswith(ZIP_MAGIC) and not head.endswith(PREFIX):
        yield from _members(name, stream, budget, others)
        return
    budget.take_file()
    if begins_as_dicom(head):
        yield name, _rest(head, stream, budget)
    elif head:
        others.append(f"{name} is neither DICOM nor a zip")
    else:
        yield from _empty(name, others)


def _members(name: str, stream: BinaryIO, budget: Budget, others: list[str]) -> _Files:
    archive = _open_archive(name, stream, budget)
    for info in archive.infolist():
        if info.is_dir():
            continue
        member_name = shown(info.filename)
        try:
            with _damage(member_name), archive.open(info) as member:
                head = member.read(PREAMBLE + len(PREFIX))
                content = _rest(head, member, budget) if begins_as_dicom(head) else None
        except MalformedInput as error:
            yield member_name, error
            continue
        if content is not None:
            yield member_name, content
        elif head.startswith(ZIP_MAGIC):
            others.append(f"{member_name} is a zip within the zip, which isn't opened")
        elif head:
            others.append(f"{member_name} isn't DICOM")
        else:
            yield from _empty(member_name, others)


def _empty(name: str, others: list[str]) -> _Files:
    """An empty file may be a lost slice (a full disk, a broken copy); hidden files are often empty on purpose."""
    others.append(f"{name} is empty")
    if not PurePosixPath(name).name.startswith("."):
        yield name, MalformedInput(f"{name}: It is empty.", (FileProblem(name, "It is empty."),))


def _open_archive(name: str, stream: BinaryIO, budget: Budget) -> zipfile.ZipFile:
    """Open a zip; refuse it if its directory as a whole exceeds the limits."""
    packed = stream.seek(0, 2)
    with _damage(name):
        largest = max(PIECE, budget.limits.files * DIRECTORY_BYTES_PER_FILE)
        archive = zipfile.ZipFile(_SmallReads(stream, largest))
    files = [info for info in archive.infolist() if not info.is_dir()]
    for info in files:
        budget.take_file()
        if info.flag_bits & 1:
            raise UnsupportedInput(f"{name} is encrypted: send it without a password.")
        if info.compress_type not in ZIP_METHODS:
            raise UnsupportedInput(f"{name} is packed with an unusual method; we take stored and deflated files.")
    budget.check_ratio(sum(info.file_size for info in files), packed)
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
def _damage(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except ZIP_ERRORS:
        detail = "It isn't a zip that can be read, or it is damaged or cut short."
        raise MalformedInput(f"{name}: {detail}", (FileProblem(name, detail),)) from None
