"""A DICOM file's structure (PS3.10 section 7): preamble, file meta information, data set, and where its pixels begin.

Only this module parses it, for files that are predicted on and for files that are stored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, NamedTuple

from pydicom.dataset import Dataset
from pydicom.filereader import ENCODED_VR, data_element_offset_to_value, read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from data_prep.dicom.archive import PREAMBLE, PREFIX, Budget

FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA = 0x7FE00008, 0x7FE00009, 0x7FE00010
# Reading stops at the first of these.
PIXEL_TAGS = frozenset({FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA})
CHARACTER_SET = 0x00080005
UNDEFINED_LENGTH = 0xFFFFFFFF
# Less strict than PS3.5 9.1: scanners and anonymisers write leading zeros and empty components. Safe as a file's name.
UID_PATTERN = re.compile(r"[0-9][0-9.]*")
UID_LENGTH = 64
# The names of image storage SOP classes (PS3.4 B.5) contain this.
IMAGE_STORAGE = "Image Storage"


def is_uid(text: str) -> bool:
    """Whether a text can be used as a UID, in an address or as a file's name."""
    return 0 < len(text) <= UID_LENGTH and UID_PATTERN.fullmatch(text) is not None


class Opened(NamedTuple):
    """A file whose stream is at the start of the data set.

    Attributes:
        stream: the file.
        meta: the file meta information.
        start: where the data set begins in the file, in bytes.
        syntax: the transfer syntax.
    """

    stream: BinaryIO
    meta: Dataset
    start: int
    syntax: UID

    @property
    def implicit(self) -> bool:
        """Whether elements are written without their VR."""
        return self.syntax == ImplicitVRLittleEndian

    @property
    def little_endian(self) -> bool:
        """Whether the byte order is little endian."""
        return self.syntax != ExplicitVRBigEndian

    def inflated(self, budget: Budget) -> "Opened":
        """The same file, with the data set of a deflated file unpacked (PS3.5 A.5), within the limits."""
        if self.syntax != DeflatedExplicitVRLittleEndian:
            return self
        packed = self.stream.read(budget.largest_file + 1)
        return self._replace(stream=BytesIO(budget.inflate(packed)))


class PixelElement(NamedTuple):
    """Where the pixels of a data set are in its stream.

    Attributes:
        tag: the tag of the pixels' element.
        vr: its VR; None in implicit VR.
        start: where its value begins, in bytes.
        length: in bytes; None if the pixels are in fragments (PS3.5 A.4).
    """

    tag: int
    vr: str | None
    start: int
    length: int | None


@dataclass(frozen=True)
class Parsed:
    """A data set up to its pixels.

    Attributes:
        dataset: the elements of the requested tags.
        pixels: None if there are no pixels.
    """

    dataset: Dataset = field(repr=False)
    pixels: PixelElement | None


def open_file(stream: BinaryIO) -> Opened:
    """Read up to the data set. Without preamble and meta information, the first element shows the transfer syntax."""
    stream.seek(0)
    has_preamble = stream.read(PREAMBLE + len(PREFIX))[PREAMBLE:] == PREFIX
    stream.seek(PREAMBLE + len(PREFIX) if has_preamble else 0)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    start = stream.tell()
    syntax = UID(meta.get("TransferSyntaxUID") or "")
    if not syntax:
        syntax = _syntax_of_first_element(stream.read(6))
        stream.seek(start)
    return Opened(stream, meta, start, syntax)


def parse(opened: Opened, tags: Sequence[BaseTag | int]) -> Parsed:
    """Read these tags of the data set; afterwards the stream is at the start of the pixels' element."""
    stream = opened.stream
    ends: list[tuple[int, str | None, int]] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag == CHARACTER_SET:
            _mend_character_set(stream, length)
        elif tag in PIXEL_TAGS:
            ends.append((int(tag), vr, length))
        return tag in PIXEL_TAGS

    dataset = read_dataset(stream, opened.implicit, opened.little_endian, stop_when=at_pixels, specific_tags=list(tags))
    if not ends:
        return Parsed(dataset, None)
    tag, vr, length = ends[-1]
    start = stream.tell() + data_element_offset_to_value(vr is None, vr)
    return Parsed(dataset, PixelElement(tag, vr, start, None if length == UNDEFINED_LENGTH else length))


def _syntax_of_first_element(element: bytes) -> UID:
    if element[4:6] not in ENCODED_VR:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if element[0] == 0 else ExplicitVRLittleEndian


def _mend_character_set(stream: BinaryIO, length: int) -> None:
    """Blank out a character set that isn't printable ASCII: it names none, and pydicom would refuse the whole file."""
    start = stream.tell()
    value = stream.read(length)
    stream.seek(start)
    if isinstance(stream, BytesIO) and not (value.isascii() and value.rstrip(b"\0").decode("ascii").isprintable()):
        stream.getbuffer()[start : start + len(value)] = b" " * len(value)
