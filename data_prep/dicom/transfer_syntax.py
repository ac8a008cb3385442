"""From one image's encoded bytes to stored values, for each supported transfer syntax (PS3.5 section 10 and annex A).

A codestream's header declares its size, and libraries allocate memory by that. So the few bytes of that header are read
here, and must agree with the DICOM header, before a library gets the codestream. (libjpeg's own `get_parameters` takes
16 GB for a codestream that declares 65535 x 65535.)
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import libjpeg
import numpy as np
import numpy.typing as npt
import openjpeg
from pydicom import uid
from rle.utils import decode_pixel_data as decode_rle

from data_prep.errors import MalformedInput, UnsupportedInput

UnsignedArray = npt.NDArray[np.unsignedinteger[Any]]

NATIVE = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    }
)
# Every JPEG, JPEG-LS and JPEG 2000 codestream ends with this. Writers pad it to an even length; some add more padding.
END_OF_CODESTREAM, PADDING_BYTES = b"\xff\xd9", 10
JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
# openjpeg allocates about 10 kB for each tile that a codestream declares; scanners write one tile.
MAX_TILES = 1024


@dataclass(frozen=True)
class Size:
    """The size in the DICOM header, which the codestream must have too."""

    rows: int
    columns: int
    bits_allocated: int


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        plane: stored values `[rows, columns]`, bit patterns as unsigned integers.
        precision: bits per value in the codestream; None if it doesn't say.
        exact: whether the compression was lossless.
    """

    plane: UnsignedArray
    precision: int | None
    exact: bool


def unsupported(syntax: str) -> UnsupportedInput:
    """The error for a transfer syntax that isn't in `TAKEN`. One that isn't DICOM's is not quoted."""
    name = uid.UID(syntax).name
    return UnsupportedInput(f"Transfer syntax {name if name != syntax else 'of an unknown UID'} isn't supported.")


def decode_frame(syntax: str, frame: bytes, size: Size) -> Decoded:
    """Decode one frame.

    Args:
        syntax: UID of the transfer syntax.
        frame: the encoded bytes.
        size: the size in the DICOM header.

    Raises:
        UnsupportedInput: the transfer syntax isn't supported; the message names it.
        MalformedInput: the frame is damaged, or doesn't agree with `size`.
    """
    decode = _DECODERS.get(syntax)
    if decode is None:
        raise unsupported(syntax)
    try:
        return decode(frame, size)
    except (RuntimeError, ValueError, IndexError, struct.error) as error:
        if isinstance(error, MalformedInput):
            raise
        raise MalformedInput("The compressed pixels can't be decoded.") from None


def _rle(frame: bytes, size: Size) -> Decoded:
    """RLE (PS3.5 annex G)."""
    try:
        plane = decode_rle(frame, version=2, rows=size.rows, columns=size.columns, bits_allocated=size.bits_allocated)
    except BaseException as error:  # the Rust code panics on a segment that is too long, which isn't an Exception
        if type(error).__name__ == "PanicException":
            raise MalformedInput("The compressed pixels are longer than the image.") from None
        raise
    stored = np.frombuffer(plane, f"<u{size.bits_allocated // 8}").reshape(size.rows, size.columns)
    return Decoded(stored, None, True)


def _jpeg(frame: bytes, size: Size) -> Decoded:
    """JPEG and JPEG-LS (ISO 10918-1 annex B, ISO 14495-1 annex C)."""
    process, at, precision, rows, columns, components = _jpeg_frame_header(frame)
    _agree(size, rows, columns, components)
    if END_OF_CODESTREAM not in frame.rstrip(b"\0")[-PADDING_BYTES:]:
        raise MalformedInput("The compressed pixels are cut short.")
    if process in _SEQUENTIAL:
        frame = _with_full_spectrum(frame, at)
    return Decoded(_unsigned(libjpeg.decode(frame)), precision, process in _LOSSLESS)


def _jpeg_near_lossless(frame: bytes, size: Size) -> Decoded:
    return _jpeg(frame, size)._replace(exact=False)


def _segments(frame: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Marker and position of each segment of a JPEG header, from `at` to the first scan's (B.1.1.2, B.1.1.4)."""
    while True:
        while frame[at : at + 2] == b"\xff\xff":  # fill bytes may precede any marker
            at += 1
        marker, length = struct.unpack_from(">HH", frame, at)
        if marker not in _SEGMENTS:
            raise MalformedInput("The JPEG codestream's header is damaged, or its process isn't supported.")
        yield marker, at
        at += 2 + length


def _jpeg_frame_header(frame: bytes) -> tuple[int, int, int, int, int, int]:
    """Marker and position of the first start-of-frame segment; its precision, rows, columns and components."""
    if frame[:2] != b"\xff\xd8":
        raise MalformedInput("The compressed pixels aren't a JPEG codestream.")
    for marker, at in _segments(frame, 2):
        if marker in _START_OF_FRAME:
            return (marker, at, *struct.unpack_from(">BHHB", frame, at + 4))
        if marker == _START_OF_SCAN:
            break
    raise MalformedInput("The JPEG codestream's header is damaged.")


def _with_full_spectrum(frame: bytes, at: int) -> bytes:
    """Set a sequential scan's coefficients to 0 to 63 (B.2.3): some writers leave 0 there, which libjpeg refuses."""
    for marker, start in _segments(frame, at):
        if marker == _START_OF_SCAN:
            end = start + 2 + struct.unpack_from(">H", frame, start + 2)[0]
            return frame[: end - 3] + b"\0\x3f\0" + frame[end:]
    return frame


# SOF0..SOF3 and JPEG-LS' SOF55: baseline, extended, progressive, lossless.
_START_OF_FRAME = frozenset({0xFFC0, 0xFFC1, 0xFFC2, 0xFFC3, 0xFFF7})
_SEQUENTIAL, _LOSSLESS = frozenset({0xFFC0, 0xFFC1}), frozenset({0xFFC3, 0xFFF7})
_START_OF_SCAN = 0xFFDA
# The segments above, and tables, restart interval, application data, comments, JPEG-LS parameters.
_SEGMENTS = frozenset(
    {*_START_OF_FRAME, _START_OF_SCAN, 0xFFC4, 0xFFCC, 0xFFDB, 0xFFDD, 0xFFF8, 0xFFFE, *range(0xFFE0, 0xFFF0)}
)


def _jpeg_2000(frame: bytes, size: Size) -> Decoded:
    """JPEG 2000 and HTJ2K (part 15): the SIZ segment directly follows the start of codestream (ISO 15444-1 A.5.1)."""
    frame = _codestream(frame)
    start, _, _, right, bottom, left, top, tile_width, tile_height, _, _, components, depth, *steps = (
        struct.unpack_from(">IHHIIIIIIIIHBBB", frame)
    )
    if start != 0xFF4FFF51:
        raise MalformedInput("The compressed pixels aren't a JPEG 2000 codestream.")
    _agree(size, bottom - top, right - left, components)
    if steps != [1, 1] or right * bottom > MAX_TILES * tile_width * tile_height:
        raise MalformedInput("The JPEG 2000 codestream is subsampled or cut into too many tiles.")
    return Decoded(_unsigned(openjpeg.decode(frame)), (depth & 0x7F) + 1, _is_reversible(frame))


def _codestream(frame: bytes) -> bytes:
    """The codestream without the boxes of a JP2 file (annex I), which some writers leave around it."""
    if not frame.startswith(JP2_SIGNATURE):
        return frame
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, at)
        if kind == b"jp2c":
            return frame[at + 8 :] if length == 0 else frame[at + 8 : at + length]
        if length < 8:
            raise MalformedInput("The boxes around the JPEG 2000 codestream are damaged.")
        at += length


def _is_reversible(codestream: bytes) -> bool:
    """Whether the first COD segment (A.6.1) names the reversible wavelet."""
    at = 2
    while at + 4 <= len(codestream):
        marker, length = struct.unpack_from(">HH", codestream, at)
        if marker == _COD:
            return codestream[at + 13] == 1
        if marker == _START_OF_TILE:
            break
        at += 2 + length
    raise MalformedInput("The JPEG 2000 codestream's header is damaged.")


_COD, _START_OF_TILE = 0xFF52, 0xFF90


def _agree(size: Size, rows: int, columns: int, components: int) -> None:
    if (rows, columns, components) != (size.rows, size.columns, 1):
        raise MalformedInput(
            f"The header says {size.rows} x {size.columns} pixels, its codestream {rows} x {columns} x {components}."
        )


def _unsigned(plane: npt.NDArray[np.integer[Any]]) -> UnsignedArray:
    return plane.view(f"u{plane.dtype.itemsize}")


_DECODERS: dict[str, Callable[[bytes, Size], Decoded]] = {
    uid.RLELossless: _rle,
    uid.JPEGBaseline8Bit: _jpeg,
    uid.JPEGExtended12Bit: _jpeg,
    uid.JPEGLossless: _jpeg,
    uid.JPEGLosslessSV1: _jpeg,
    uid.JPEGLSLossless: _jpeg,
    uid.JPEGLSNearLossless: _jpeg_near_lossless,
    uid.JPEG2000Lossless: _jpeg_2000,
    uid.JPEG2000: _jpeg_2000,
    uid.HTJ2KLossless: _jpeg_2000,
    uid.HTJ2KLosslessRPCL: _jpeg_2000,
    uid.HTJ2K: _jpeg_2000,
}

TAKEN = NATIVE | _DECODERS.keys()
