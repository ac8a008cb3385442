"""A DICOM file's structure (PS3.10 section 7): preamble, file meta information, data set, and where its pixels begin.

Only this module parses it, for files that are predicted on and for files that are stored.
"""

import re
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, NamedTuple

from pydicom.dataset import Dataset
from pydicom.filereader import ENCODED_VR, data_element_generator, data_element_offset_to_value, read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from data_prep.dicom.archive import PREAMBLE, PREFIX
from data_prep.dicom.budget import Budget
from data_prep.dicom.elements import ITEM, MAY_BE_SEQUENCE, UNDEFINED_LENGTH, Walk
from data_prep.errors import InputOverLimit, MalformedInput

FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA = 0x7FE00008, 0x7FE00009, 0x7FE00010
# Reading stops at the first of these.
PIXEL_TAGS = frozenset({FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA})
CHARACTER_SET = 0x00080005
META_GROUP = 2
# To stop pydicom and let it continue takes as long as this many elements.
STOP_COST = 8
# An item's tag, in both orders of bytes.
ITEM_TAGS = (struct.pack("<HH", ITEM >> 16, ITEM & 0xFFFF), struct.pack(">HH", ITEM >> 16, ITEM & 0xFFFF))
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


def open_file(stream: BinaryIO, budget: Budget) -> Opened:
    """Read up to the data set. Without preamble and meta information, the first element shows the transfer syntax.

    Raises:
        MalformedInput: the file meta information holds a sequence or a very long value.
        InputOverLimit: the headers have too many elements.
    """
    stream.seek(0)
    has_preamble = stream.read(PREAMBLE + len(PREFIX))[PREAMBLE:] == PREFIX
    stream.seek(PREAMBLE + len(PREFIX) if has_preamble else 0)

    def after_meta(tag: BaseTag, _vr: str | None, length: int) -> bool:
        budget.take_elements(1)
        if tag.group == META_GROUP and length > budget.limits.value_bytes:
            raise MalformedInput("Its file meta information can't be right: a value is very long.")
        return tag.group != META_GROUP

    meta = read_dataset(stream, False, True, stop_when=after_meta)
    start = stream.tell()
    syntax = UID(meta.get("TransferSyntaxUID") or "")
    if not syntax:
        syntax = _syntax_of_first_element(stream.read(6))
        stream.seek(start)
    return Opened(stream, meta, start, syntax)


def parse(opened: Opened, tags: Collection[BaseTag | int], budget: Budget, last: int = PIXEL_DATA) -> Parsed:
    """Read these tags of the data set; afterwards the stream is at the start of the pixels' element.

    Other elements are passed over without making anything of them.

    Args:
        opened: the file.
        tags: the tags.
        budget: pays for elements and items.
        last: elements after this tag aren't looked at.

    Raises:
        MalformedInput: a sequence is damaged or nested too deep.
        InputOverLimit: the header has too many elements or bytes, or a value that is read is too long.
    """
    parser = _Parser(opened, frozenset({CHARACTER_SET, *map(int, tags)}), budget, last)
    dataset = parser.read()
    if parser.pixels is None:
        return Parsed(dataset, None)
    tag, vr, length = parser.pixels
    start = opened.stream.tell() + data_element_offset_to_value(vr is None, vr)
    if start - opened.start > budget.limits.header_bytes:
        raise InputOverLimit(f"A header has more than {budget.limits.header_bytes:,} bytes before its pixels.")
    return Parsed(dataset, PixelElement(tag, vr, start, None if length == UNDEFINED_LENGTH else length))


class _Parser:
    """Reads one data set by pydicom, which asks `_stop` before each element.

    pydicom makes objects of every sequence of undefined length, also of those that nobody needs. So it is stopped
    there, and continues after the sequence.

    Attributes:
        pixels: tag, VR and length of the pixels' element; None if there is none.
    """

    def __init__(self, opened: Opened, tags: frozenset[int], budget: Budget, last: int) -> None:
        self._opened, self._tags, self._budget, self._last = opened, tags, budget, last
        self._implicit = opened.implicit
        self._skipped: tuple[int, str | None] | None = None
        self.pixels: tuple[int, str | None, int] | None = None

    def read(self) -> Dataset:
        opened, tags = self._opened, list[BaseTag | int](self._tags)
        dataset = read_dataset(
            opened.stream, opened.implicit, opened.little_endian, stop_when=self._stop, specific_tags=tags
        )
        self._implicit = bool(dataset.original_encoding[0])
        while self._skipped is not None:
            start, vr = self._skipped
            self._skipped = None
            opened.stream.seek(start)
            self._walk().skip(vr)
            for element in data_element_generator(
                opened.stream,
                self._implicit,
                opened.little_endian,
                self._stop,
                encoding=dataset.original_character_set,
                specific_tags=tags,
            ):
                dataset[element.tag] = element
        return dataset

    def _stop(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        """Whether pydicom must stop before this element. The stream is at the start of its value."""
        self._budget.take_elements(1)
        number = int(tag)  # pydicom's tags are slow to compare
        if number in self._tags:
            self._check(vr, length)
            if number == CHARACTER_SET:
                _mend_character_set(self._opened.stream, length)
            return False
        if number in PIXEL_TAGS:
            self.pixels = (number, vr, length)
        elif length == UNDEFINED_LENGTH and number <= self._last:
            self._budget.take_elements(STOP_COST)
            self._skipped = (self._opened.stream.tell(), vr)
        return self.pixels is not None or self._skipped is not None or number > self._last

    def _check(self, vr: str | None, length: int) -> None:
        """Count the elements of a sequence that will be read, and refuse a value that is too long."""
        stream = self._opened.stream
        start = stream.tell()
        if vr in MAY_BE_SEQUENCE and length >= len(ITEM_TAGS[0]) and stream.read(4) in ITEM_TAGS:
            stream.seek(start)
            self._walk().count(length)
        elif length > self._budget.limits.value_bytes:
            if start + length > stream.seek(0, 2):
                raise MalformedInput("A value in the header is cut short.")
            raise InputOverLimit(f"A value in a header has more than {self._budget.limits.value_bytes:,} bytes.")
        stream.seek(start)

    def _walk(self) -> Walk:
        return Walk(self._opened.stream, self._implicit, self._opened.little_endian, self._budget)


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
