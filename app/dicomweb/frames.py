"""Single frames of an instance: as they are stored, or decoded to what Explicit VR Little Endian would hold."""

from collections.abc import Sequence
from typing import BinaryIO

from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from werkzeug.exceptions import NotAcceptable, NotFound

from app.dicomweb.media_types import OCTETS, MediaType
from app.store.instance_file import Header
from data_prep.dicom.frames import read_study
from data_prep.dicom.transfer_syntax import NATIVE
from data_prep.errors import InputError

# What a frame of each transfer syntax is called (PS3.18 table 8.7.3-5).
MEDIA_TYPES = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)), "image/jpeg"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)), "image/jls"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (90, 91)), "image/jp2"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)), "image/jphc"),
}
AS_STORED = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian})


def pick(
    stream: BinaryIO, header: Header, numbers: Sequence[int], wanted: Sequence[MediaType]
) -> list[tuple[MediaType, bytes]]:
    """The frames of these numbers (from 1) in the first of the wanted encodings that we have.

    NotFound for a number that isn't there, NotAcceptable if no encoding is wanted that we can give.
    """
    count = int(header.dataset.get("NumberOfFrames") or 1)
    if header.pixels is None or not all(1 <= number <= count for number in numbers):
        raise NotFound(f"There is no such frame; the instance has {count if header.pixels else 0}.")
    for one in wanted:
        if _is_stored_encoding(one.root, header.transfer_syntax):
            media_type = MediaType(_media_type(header.transfer_syntax), {"transfer-syntax": header.transfer_syntax})
            return [(media_type, _encapsulated(stream, header, number, count)) for number in numbers]
        if one.root.matches(OCTETS) and one.parameters.get("transfer-syntax", "*") in ("*", ExplicitVRLittleEndian):
            media_type = MediaType(OCTETS, {"transfer-syntax": ExplicitVRLittleEndian})
            return [(media_type, frame) for frame in decoded(stream, header, numbers)]
    raise NotAcceptable(f"Frames are given as {OCTETS} or as they are stored ({_media_type(header.transfer_syntax)}).")


def decoded(stream: BinaryIO, header: Header, numbers: Sequence[int]) -> list[bytes]:
    """Frames in little endian, uncompressed. NotAcceptable for what we can't decode."""
    if header.transfer_syntax in AS_STORED and header.pixels is not None:
        names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
        rows, columns, samples, bits = (int(header.dataset.get(name) or 1) for name in names)
        length = rows * columns * samples * bits // 8
        if max(numbers) * length > (header.pixels[1] or 0):
            raise NotAcceptable("The pixels are fewer, or packed more tightly, than whole bytes of each sample.")
        return [_at(stream, header.pixels[0] + (number - 1) * length, length) for number in numbers]
    stream.seek(0)
    try:
        frames = {frame.number: frame for frame in read_study([("instance", stream)]).frames}
        planes = [frames[number].pixels.plane(number - 1) for number in numbers]
    except (InputError, KeyError):
        raise NotAcceptable("These frames can't be decoded here; ask for them as they are stored.") from None
    width = int(header.dataset.BitsAllocated) // 8
    return [plane.astype(f"<{plane.dtype.kind}{width}").tobytes() for plane in planes]


def _is_stored_encoding(wanted: MediaType, syntax: UID) -> bool:
    if syntax in NATIVE:
        return False
    asked = wanted.parameters.get("transfer-syntax")
    if asked is None:
        return wanted.name == MEDIA_TYPES[syntax]
    return asked in ("*", syntax) and (wanted.matches(MEDIA_TYPES[syntax]) or wanted.matches(OCTETS))


def _media_type(syntax: UID) -> str:
    return MEDIA_TYPES.get(syntax, OCTETS)


def _encapsulated(stream: BinaryIO, header: Header, number: int, count: int) -> bytes:
    stream.seek(header.pixels[0] if header.pixels else 0)
    try:
        return get_frame(stream, number - 1, number_of_frames=count)
    except (ValueError, EOFError):
        raise NotFound("The fragments of this instance are damaged; this frame can't be found.") from None


def _at(stream: BinaryIO, start: int, length: int) -> bytes:
    stream.seek(start)
    return stream.read(length)
