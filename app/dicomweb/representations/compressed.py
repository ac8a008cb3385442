"""Lossless compression of decoded frames: JPEG-LS and JPEG 2000 (PS3.5 A.4.3, A.4.4)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import jpeg_ls
import numpy as np
import numpy.typing as npt
import openjpeg.utils
from pydicom.dataset import Dataset
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless

from data_prep.dicom.transfer_syntax import Size, UnsignedArray, decode_frame

IntegerArray = npt.NDArray[np.integer[Any]]


class NotCompressed(ValueError):
    """These pixels can't be compressed without loss here."""


@dataclass(frozen=True)
class Layout:
    """How the pixels of a frame are written, uncompressed in little endian, with one sample for each pixel."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The layout that a header describes. Raises NotCompressed if its pixels aren't compressed here."""
        names = ("SamplesPerPixel", "HighBit", "Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
        try:
            samples, high, rows, columns, allocated, stored, sign = (int(dataset[name].value) for name in names)
        except Exception:  # pydicom's converters may raise any exception
            raise NotCompressed from None
        found = cls(rows, columns, allocated, stored, sign == 1)
        is_usual = samples == 1 and allocated in (8, 16) and 1 <= stored <= allocated
        if not is_usual or high != stored - 1 or min(rows, columns) < 1:
            raise NotCompressed
        return found

    def patterns(self, frame: bytes) -> UnsignedArray:
        """The samples of a frame as unsigned integers `[rows, columns]`. Raises NotCompressed."""
        if len(frame) != self.rows * self.columns * self.bits_allocated // 8:
            raise NotCompressed
        return np.frombuffer(frame, f"<u{self.bits_allocated // 8}").reshape(self.rows, self.columns)

    def values(self, patterns: UnsignedArray) -> IntegerArray:
        """What the stored bits of the patterns mean."""
        width = self.bits_allocated // 8
        unused = self.bits_allocated - self.bits_stored
        shifted = (patterns.astype(f"u{width}") << unused).view(f"{'i' if self.signed else 'u'}{width}")
        return np.asarray(shifted >> unused)


def compressed(frame: bytes, layout: Layout, syntax: UID) -> bytes:
    """Compress a frame. What comes out was decoded again and is the same.

    Args:
        frame: The decoded frame.
        layout: How it is written.
        syntax: JPEG-LS Lossless or JPEG 2000 Lossless.

    Raises:
        NotCompressed: It can't be compressed without loss, for example because bits above the stored ones are used.
    """
    patterns = layout.patterns(frame)
    values = layout.values(patterns)
    stored: UnsignedArray = patterns & patterns.dtype.type((1 << layout.bits_stored) - 1)
    if (stored != patterns).any() and (values.view(patterns.dtype) != patterns).any():
        raise NotCompressed
    try:
        coded = bytes(ENCODERS[syntax](stored, values, layout))
        decoded = decode_frame(syntax, coded, Size(layout.rows, layout.columns, layout.bits_allocated)).plane
    except (RuntimeError, ValueError, TypeError):
        raise NotCompressed from None
    if (layout.values(decoded) != values).any():
        raise NotCompressed
    return coded


def _jpeg_ls(stored: UnsignedArray, values: IntegerArray, layout: Layout) -> bytearray:
    narrow = stored.astype("u1" if layout.bits_stored <= 8 else "<u2")
    coded: bytearray = jpeg_ls.encode_buffer(narrow.tobytes(), layout.rows, layout.columns, 1, layout.bits_stored)
    return coded


def _jpeg_2000(stored: UnsignedArray, values: IntegerArray, layout: Layout) -> bytes:
    coded: bytes = openjpeg.utils.encode_array(np.ascontiguousarray(values), layout.bits_stored)
    return coded


ENCODERS: dict[str, Callable[[UnsignedArray, IntegerArray, Layout], bytes | bytearray]] = {
    JPEGLSLossless: _jpeg_ls,
    JPEG2000Lossless: _jpeg_2000,
}
