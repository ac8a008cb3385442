"""An instance's pixel data element, still encoded, and how one frame of it becomes stored values (PS3.5 section 8)."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydicom.uid import ExplicitVRBigEndian

from data_prep.dicom.fragments import ITEM_BYTES, Fragments
from data_prep.dicom.header import Header
from data_prep.dicom.transfer_syntax import NATIVE, TAKEN, Size, UnsignedArray, decode_frame, unsupported
from data_prep.errors import InputError, MalformedInput

IntegerArray = npt.NDArray[np.integer[Any]]

DEMANDED = ("Rows", "Columns", "BitsAllocated")
OPTIONAL = ("SamplesPerPixel", "BitsStored", "HighBit", "PixelRepresentation")


@dataclass(frozen=True, eq=False)
class PixelData:
    """Where the pixels lie in `content` and how they are written.

    length: bytes of the element's value from `start` on; None if it is encapsulated, in fragments (PS3.5 A.4).
    high_bit: where the stored bits end (PS3.5 8.1.1). words: the VR is OW, which matters for the order of bytes.
    misdescribed: what is wrong with the header, if anything is; rows, columns and bits may be 0 then.
    """

    content: bytes = field(repr=False)
    start: int
    length: int | None
    syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    words: bool
    misdescribed: InputError | None = None

    @classmethod
    def of(cls, header: Header, content: bytes, start: int, length: int | None, syntax: str, vr: str | None) -> Self:
        """As an instance's header describes them. MalformedInput if not even the number of frames can be known.

        What else is wrong is found by `fault`: pixels that nobody needs may be as they like.
        """
        allocated = _whole(header, "BitsAllocated")
        stored = _whole(header, "BitsStored", allocated)
        return cls(
            content=content,
            start=start,
            length=length,
            syntax=syntax,
            rows=_whole(header, "Rows"),
            columns=_whole(header, "Columns"),
            frames=max(1, header.integer("NumberOfFrames", 1)),
            samples=_whole(header, "SamplesPerPixel", 1),
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=_whole(header, "HighBit", stored - 1),
            signed=_whole(header, "PixelRepresentation", 0) == 1,
            words=vr != "OB",
            misdescribed=_misdescribed(header),
        )

    @cached_property
    def fault(self) -> InputError | None:
        """Why these pixels can't be read, as far as that shows without decoding; costs no memory."""
        try:
            self._check()
        except InputError as error:
            return error
        return None

    def _check(self) -> None:
        """MalformedInput if the header is incomplete or bytes are missing; UnsupportedInput if we can't decode it."""
        if self.misdescribed:
            raise self.misdescribed
        if min(self.rows, self.columns) < 1 or not 1 <= self.bits_stored <= self.high_bit + 1 <= self.bits_allocated:
            raise MalformedInput("Rows, Columns, BitsStored or HighBit can't be right.")
        if self.encapsulated:
            self._fragments.check()
            return
        if self.syntax not in TAKEN:
            raise unsupported(self.syntax)
        if self.syntax not in NATIVE:
            raise MalformedInput("The pixels aren't compressed, though the transfer syntax says so.")
        there = min(self.length or 0, len(self.content) - self.start)
        if there < (self.length or 0) or (self.samples == 1 and there < self.frames * self._plane_bits // 8):
            declared = f"{self.frames} x {self.rows} x {self.columns} pixels of {self.bits_allocated} bits"
            raise MalformedInput(f"The file is cut short: {there:,} bytes are there for {declared}.")

    @property
    def encapsulated(self) -> bool:
        """Whether the pixels lie in fragments; some writers give their length all the same."""
        begins = self.content.startswith(ITEM_BYTES, self.start)
        return self.length is None or (self.syntax not in NATIVE and begins)

    @property
    def value_range(self) -> tuple[int, int]:
        """Lowest and highest stored value that `bits_stored` can hold."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    def plane(self, index: int) -> IntegerArray:
        """Stored values of one frame, integers `[rows, columns]`. Raises MalformedInput, UnsupportedInput."""
        if self.misdescribed:
            raise self.misdescribed
        if self.samples != 1 or self.bits_allocated not in (8, 16, 32):
            raise MalformedInput(
                f"SamplesPerPixel is {self.samples} and BitsAllocated {self.bits_allocated}; we take 1 and 8, 16 or 32."
            )
        if self.fault:
            raise self.fault
        if not self.encapsulated:
            return self.meaning(self._native(index), self.bits_stored)
        decoded = decode_frame(
            self.syntax, self._fragments.frame(index), Size(self.rows, self.columns, self.bits_allocated)
        )
        precision = decoded.precision or self.bits_stored
        # What was lossless may have something else above the stored bits; what wasn't may end a little above them.
        bits = min(precision, self.bits_stored) if decoded.exact else precision
        return self.meaning(decoded.plane, bits)

    def meaning(self, patterns: IntegerArray, bits: int) -> IntegerArray:
        """Unsigned patterns as the numbers that their lowest `bits` stand for; what lies above (overlays) goes."""
        width = patterns.dtype.itemsize
        values = patterns.astype(f"i{width}" if self.signed else f"u{width}")
        unused = 8 * width - bits
        return (values << unused) >> unused if unused > 0 else values

    @property
    def _plane_bits(self) -> int:
        return self.rows * self.columns * self.bits_allocated

    def _native(self, index: int) -> UnsignedArray:
        big = self.syntax == ExplicitVRBigEndian
        if big and self.bits_allocated == 8 and self.words:
            return self._bytes_of_words(index)
        dtype = np.dtype(f"{'>' if big else '<'}u{self.bits_allocated // 8}")
        start = self.start + index * self._plane_bits // 8
        plane = np.frombuffer(self.content, dtype, count=self.rows * self.columns, offset=start)
        return self._from_the_top(plane.reshape(self.rows, self.columns))

    def _bytes_of_words(self, index: int) -> UnsignedArray:
        """Bytes that were written two by two, as words (PS3.5 annex A.3)."""
        first, count = index * self.rows * self.columns, self.rows * self.columns
        start, end = self.start + first // 2 * 2, self.start + (first + count + 1) // 2 * 2
        words = np.frombuffer(self.content[start:end].ljust(end - start, b"\0"), "<u2").byteswap()
        return words.view("u1")[first % 2 :][:count].reshape(self.rows, self.columns)

    def _from_the_top(self, patterns: UnsignedArray) -> UnsignedArray:
        """Stored bits moved down where they end above BitsStored, which the standard allowed until 2014.

        Writers have also set such a HighBit by mistake, and readers disagree: refused if that makes a difference.
        """
        below = self.high_bit + 1 - self.bits_stored
        if below == 0:
            return patterns
        if (patterns & patterns.dtype.type((1 << below) - 1)).any():
            raise MalformedInput("HighBit says that the lowest bits aren't stored, and they hold something.")
        moved: UnsignedArray = patterns >> patterns.dtype.type(below)
        return moved

    @cached_property
    def _fragments(self) -> Fragments:
        return Fragments(self.content, self.start, self.frames)


def _whole(header: Header, keyword: str, default: int = 0) -> int:
    """A whole number from 0 up, or the default."""
    value = header.number(keyword)
    return default if value is None or value < 0 or value != int(value) else int(value)


def _misdescribed(header: Header) -> InputError | None:
    """What is wrong with the numbers that say what the pixels are; those of `OPTIONAL` may be missing."""
    try:
        for keyword in DEMANDED:
            header.integer(keyword)
        for keyword in OPTIONAL:
            header.integer(keyword, 0)
        if header.integer("PixelRepresentation", 0) > 1:
            raise MalformedInput("PixelRepresentation is neither 0 nor 1.")
    except MalformedInput as error:
        return error
    return None
