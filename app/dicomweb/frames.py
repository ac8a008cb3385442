"""Single frames of an instance: as they are stored, or decoded to Explicit VR Little Endian."""

from collections.abc import Sequence
from typing import BinaryIO

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from werkzeug.exceptions import NotAcceptable, NotFound

from app.dicomweb.media_types import OCTETS, MediaType
from app.store.instance_file import Header
from data_prep.dicom.fragments import Fragments
from data_prep.dicom.frames import read_study
from data_prep.dicom.transfer_syntax import NATIVE
from data_prep.errors import InputError, MalformedInput

# The media type of a frame, by transfer syntax (PS3.18 table 8.7.3-5).
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
    """Frames in the first of the wanted encodings that is available.

    Args:
        stream: The DICOM file.
        header: Its header.
        numbers: Frame numbers, from 1.
        wanted: Media types from an Accept header, the most preferred first.

    Returns:
        Media type and content of each frame.

    Raises:
        NotFound: A frame number doesn't exist.
        NotAcceptable: No wanted encoding is available.
    """
    count = int(header.dataset.get("NumberOfFrames") or 1)
    if header.pixels is None or not all(1 <= number <= count for number in numbers):
        raise NotFound(f"There is no such frame; the instance has {count if header.pixels else 0}.")
    for one in wanted:
        if _is_stored_encoding(one.root, header.transfer_syntax):
            media_type = MediaType(_media_type(header.transfer_syntax), {"transfer-syntax": header.transfer_syntax})
            return [(media_type, frame) for frame in _compressed(stream, header, numbers, count)]
        if one.root.matches(OCTETS) and one.parameters.get("transfer-syntax", "*") in ("*", ExplicitVRLittleEndian):
            media_type = MediaType(OCTETS, {"transfer-syntax": ExplicitVRLittleEndian})
            return [(media_type, frame) for frame in decoded(stream, header, numbers)]
    raise NotAcceptable(f"Frames are given as {OCTETS} or as they are stored ({_media_type(header.transfer_syntax)}).")


def decoded(stream: BinaryIO, header: Header, numbers: Sequence[int]) -> list[bytes]:
    """Frames in little endian, uncompressed. Raises NotAcceptable for frames that can't be decoded."""
    if header.transfer_syntax in AS_STORED and header.pixels is not None:
        names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
        rows, columns, samples, bits = (int(header.dataset.get(name) or 1) for name in names)
        length = rows * columns * samples * bits // 8
        if max(numbers) * length > (header.pixels[1] or 0):
            raise NotAcceptable("There are too few pixels, or their samples aren't whole bytes.")
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


def _compressed(stream: BinaryIO, header: Header, numbers: Sequence[int], count: int) -> list[bytes]:
    stream.seek(0)
    fragments = Fragments(stream.read(), header.pixels[0] if header.pixels else 0, count)
    try:
        return [fragments.frame(number - 1) for number in numbers]
    except MalformedInput:
        raise NotFound("The fragments of this instance are damaged; this frame can't be found.") from None


def _at(stream: BinaryIO, start: int, length: int) -> bytes:
    stream.seek(start)
    return stream.read(length)
