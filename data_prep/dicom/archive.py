"""The DICOM files in whatever a sender hands over: a file, a folder, a zip, uploads. Nothing is written to disk.

Every limit is asked before the memory is taken. A zip's member is read by its place in the archive; its name serves
only to speak of it.
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

# DICOM files have 128 bytes of anything, then this (PS3.10 7.1).
PREAMBLE, PREFIX = 128, b"DICM"
# Without these, a file may begin with its first element: of file meta information, or of a data set's group 8, whose
# first elements are a group's length, SpecificCharacterSet, ImageType, dates and SOP UIDs.
FIRST_ELEMENTS = {2: (0x0000, 0x0002), 8: (0x0000, 0x001A)}
FIRST_VRS = (b"UL", b"OB", b"UI", b"CS", b"SH", b"DA", b"TM", b"ST")
# The longest value of these, as implicit VR gives it.
LONGEST_FIRST_VALUE = 1024
ZIP_MAGIC = b"PK"
# Streams are read in pieces of this size, so that a lie about a length costs one piece.
PIECE = 1 << 20
# A zip's directory may take this much for each file that we would accept: 46 bytes, a path and extra fields.
DIRECTORY_BYTES_PER_FILE = 512
# Below this a blank study may pack as tightly as it likes: only above is the compression ratio asked.
RATIO_FREE_BYTES = 16 << 20
# Decoders of other methods can't be stopped after a given number of bytes.
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What `zipfile` lets slip on a damaged archive.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)


@dataclass(frozen=True)
class Limits:
    """How much one study may cost.

    files: files in all, DICOM or not. file_bytes: one file, unpacked. unpacked_bytes: all of them together.
    compression_ratio: unpacked over packed bytes of a whole zip or deflated instance; a study packs to a half or a
        tenth. frame_side: rows or columns of one image. frames: images in all. voxels: pixels of all images.
    """

    files: int = 5000
    file_bytes: int = 512 << 20
    unpacked_bytes: int = 2 << 30
    compression_ratio: float = 200.0
    frame_side: int = 4096
    frames: int = 20_000
    voxels: int = 1 << 28


class Budget:
    """What is left of the limits while one study is read."""

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
        """Bytes that the next file may have."""
        return min(self.limits.file_bytes, self._bytes)

    def take_bytes(self, size: int) -> None:
        """Count bytes that are, or are about to be, in memory."""
        self._bytes -= size
        if size > self.limits.file_bytes:
            raise InputOverLimit(f"A file unpacks to more than {self.limits.file_bytes:,} bytes.")
        if self._bytes < 0:
            raise InputOverLimit(f"The files unpack to more than {self.limits.unpacked_bytes:,} bytes in all.")

    def take_frames(self, frames: int, rows: int, columns: int) -> None:
        """Count images by what their header declares; what is refused isn't counted."""
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
        """Refuse what unpacks to suspiciously much."""
        if unpacked > max(RATIO_FREE_BYTES, self.limits.compression_ratio * packed):
            raise InputOverLimit(f"It unpacks to more than {self.limits.compression_ratio:g} times its size.")

    def inflate(self, packed: bytes) -> bytes:
        """A raw deflate stream (PS3.5 A.5) unpacked, never beyond the limits."""
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
    """Whether the first 132 bytes are a DICOM file's, or the bare data set's that some archives export."""
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
    """Name and bytes of every DICOM file, or what is wrong with a file that may have been one; the rest is skipped.

    Streams must be seekable and stand at their start. A zip is opened, a zip within it isn't. Raises MalformedInput
    when there is no DICOM file at all, InputOverLimit, UnsupportedInput (encrypted, exotic compression).
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
    """A full disk or a broken copy leaves slices without a byte; hidden files are often empty by intent."""
    others.append(f"{name} is empty")
    if not PurePosixPath(name).name.startswith("."):
        yield name, MalformedInput(f"{name}: It is empty.", (FileProblem(name, "It is empty."),))


def _open_archive(name: str, stream: BinaryIO, budget: Budget) -> zipfile.ZipFile:
    """A zip whose directory, as a whole, stays within the limits."""
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
    """`head` and all that follows it; stops as soon as a limit is passed."""
    pieces, size = [head], len(head)
    while size <= budget.largest_file and (piece := stream.read(PIECE)):
        pieces.append(piece)
        size += len(piece)
    budget.take_bytes(size)
    return b"".join(pieces)


class _SmallReads:
    """A stream that refuses large reads: `zipfile` reads a directory, of whatever size it claims, at one go."""

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
        detail = "It is no zip that can be read, or it is damaged or cut short."
        raise MalformedInput(f"{name}: {detail}", (FileProblem(name, detail),)) from None
