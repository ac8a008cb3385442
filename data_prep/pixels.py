"""An instance's pixel data element, still encoded, and how one frame of it becomes stored values (PS3.5 section 8)."""

import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydicom.uid import ExplicitVRBigEndian

from data_prep.errors import MalformedInput, UnsupportedInput
from data_prep.header import Header
from data_prep.transfer_syntax import NATIVE, Size, UnsignedArray, decode_frame

IntegerArray = npt.NDArray[np.integer[Any]]

# Encoders write one fragment for a frame, or one for every few kilobytes.
MAX_FRAGMENTS = 1 << 16
_ITEM, _DELIMITER = 0xFFFEE000, 0xFFFEE0DD


@dataclass(frozen=True, eq=False)
class PixelData:
    """Where the pixels lie in `content` and how they are written.

    length: bytes of the element's value from `start` on; None if it is encapsulated, in fragments (PS3.5 A.4).
    Making one checks the declared size against the bytes that are there and allocates nothing.
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
    signed: bool

    @classmethod
    def of(cls, header: Header, content: bytes, start: int, length: int | None, syntax: str) -> Self:
        """As an instance's header describes them; MalformedInput if the header is incomplete or the data too short."""
        allocated = header.integer("BitsAllocated")
        pixels = cls(
            content=content,
            start=start,
            length=length,
            syntax=syntax,
            rows=header.integer("Rows"),
            columns=header.integer("Columns"),
            frames=max(1, header.integer("NumberOfFrames", 1)),
            samples=header.integer("SamplesPerPixel", 1),
            bits_allocated=allocated,
            bits_stored=header.integer("BitsStored", allocated),
            signed=header.integer("PixelRepresentation", 0) == 1,
        )
        if min(pixels.rows, pixels.columns) < 1 or not 1 <= pixels.bits_stored <= allocated:
            raise MalformedInput("Rows, Columns or BitsStored can't be right.")
        if header.integer("HighBit", pixels.bits_stored - 1) != pixels.bits_stored - 1:
            raise UnsupportedInput("HighBit isn't BitsStored - 1.")
        return pixels

    def check_length(self) -> None:
        """MalformedInput if bytes are missing."""
        if self.length is None:
            self._fragments  # noqa: B018 - walks through them all
            return
        there = min(self.length, len(self.content) - self.start)
        if there < self.length or (self.samples == 1 and there < self.frames * self._plane_bits // 8):
            declared = f"{self.frames} x {self.rows} x {self.columns} pixels of {self.bits_allocated} bits"
            raise MalformedInput(f"The file is cut short: {there:,} bytes are there for {declared}.")

    @property
    def value_range(self) -> tuple[int, int]:
        """Lowest and highest stored value that `bits_stored` can hold."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    def plane(self, index: int) -> IntegerArray:
        """Stored values of one frame, integers `[rows, columns]`. Raises MalformedInput, UnsupportedInput."""
        if self.samples != 1 or self.bits_allocated not in (8, 16, 32):
            raise UnsupportedInput(
                f"{self.samples} samples of {self.bits_allocated} bits for each pixel; we take one of 8, 16 or 32."
            )
        if self.syntax in NATIVE:
            return self.meaning(self._native(index), self.bits_stored)
        size = Size(self.rows, self.columns, self.bits_allocated)
        plane, precision = decode_frame(self.syntax, self._frame(index), size)
        return self.meaning(plane, precision or self.bits_stored)

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
        if big and self.bits_allocated == 8:
            raise UnsupportedInput("8-bit pixels in big-endian words aren't taken.")
        dtype = np.dtype(f"{'>' if big else '<'}u{self.bits_allocated // 8}")
        start = self.start + index * self._plane_bits // 8
        plane = np.frombuffer(self.content, dtype, count=self.rows * self.columns, offset=start)
        return plane.reshape(self.rows, self.columns)

    @cached_property
    def _fragments(self) -> list[tuple[int, int]]:
        """(start, length) of every item, the offset table first. Work grows with their number; done once."""
        found: list[tuple[int, int]] = []
        at = self.start
        while len(found) <= MAX_FRAGMENTS and at + 8 <= len(self.content):
            group, element, length = struct.unpack_from("<HHI", self.content, at)
            tag = group << 16 | element
            if tag == _DELIMITER and len(found) > 1:
                return found
            if tag != _ITEM or at + 8 + length > len(self.content):
                break
            found.append((at + 8, length))
            at += 8 + length
        raise MalformedInput("The compressed pixels are cut short or their fragments damaged.")

    @cached_property
    def _fragments_of_frames(self) -> list[list[tuple[int, int]]]:
        (table_start, table_length), *fragments = self._fragments
        if len(fragments) == self.frames:
            return [[fragment] for fragment in fragments]
        if self.frames == 1:
            return [fragments]
        if table_length != 4 * self.frames:
            raise MalformedInput(f"{len(fragments)} fragments can't be told apart into {self.frames} frames.")
        table = struct.unpack_from(f"<{self.frames}I", self.content, table_start)
        origin = fragments[0][0]
        owners = np.searchsorted(table, [start - origin for start, _ in fragments], side="right") - 1
        frames: list[list[tuple[int, int]]] = [[] for _ in range(self.frames)]
        for fragment, owner in zip(fragments, owners, strict=True):
            frames[owner].append(fragment)
        return frames

    def _frame(self, index: int) -> bytes:
        return b"".join(self.content[start : start + length] for start, length in self._fragments_of_frames[index])
