"""Single frames of an instance: as they are stored, decoded to Explicit VR Little Endian, or compressed losslessly."""

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless
from werkzeug.exceptions import BadRequest, NotAcceptable, NotFound

from app.dicomweb.media_types import MULTIPART, OCTETS, MediaType
from app.dicomweb.representations.compressed import Layout, NotCompressed, compressed
from app.store.files.instance_file import Header, all_attributes
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
# What frames are compressed to if a client wants it; each is the default of its media type (PS3.18 table 8.7.3-5).
COMPRESSED = (JPEGLSLossless, JPEG2000Lossless)
# Of one request, whose frames are in memory at once and on the disk until they have been sent.
MOST_FRAMES, MOST_BYTES = 100, 256 << 20
AS_STORED = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian})


class Picked(NamedTuple):
    """Frames in an encoding that a client accepts.

    Attributes:
        syntax: Their transfer syntax.
        is_alone: Whether the client accepts the frame without parts.
        frames: The content of each frame.
    """

    syntax: UID
    is_alone: bool
    frames: list[bytes]


def count(header: Header) -> int:
    """How many frames an instance has, by its header."""
    return int(header.dataset.get("NumberOfFrames") or 1)


def check_numbers(header: Header, numbers: Sequence[int]) -> None:
    """Raise NotFound if an instance lacks one of the frames with these numbers, from 1."""
    if header.pixels is None or not all(1 <= number <= count(header) for number in numbers):
        raise NotFound(f"There is no such frame; the instance has {count(header) if header.pixels else 0}.")


def pick(stream: BinaryIO, header: Header, numbers: Sequence[int], wanted: Sequence[MediaType]) -> Picked:
    """Frames in the first of the wanted encodings that is available.

    Args:
        stream: The DICOM file.
        header: Its header.
        numbers: Frame numbers, from 1.
        wanted: Media types from an Accept header, the most preferred first. A type without parts is for one frame.

    Raises:
        NotFound: A frame number doesn't exist.
        NotAcceptable: No wanted encoding is available.
        BadRequest: The frames have more than `MOST_BYTES`.
    """
    check_numbers(header, numbers)
    for one in wanted:
        is_alone = one.name not in (MULTIPART, "*/*")
        if is_alone and len(numbers) > 1:
            continue
        if _is_stored_encoding(one.root, header.transfer_syntax):
            found = _fragments(stream, header, numbers)
            _bound(numbers, sum(map(len, found)))
            return Picked(header.transfer_syntax, is_alone, found)
        if one.root.matches(OCTETS) and one.parameters.get("transfer-syntax", "*") in ("*", ExplicitVRLittleEndian):
            _bound(numbers, len(numbers) * _length(header))
            return Picked(ExplicitVRLittleEndian, is_alone, decoded(stream, header, numbers))
        for syntax in COMPRESSED:
            if _names(one.root, syntax):
                _bound(numbers, len(numbers) * _length(header))
                if (coded := _coded(stream, header, numbers, syntax)) is not None:
                    return Picked(syntax, is_alone, coded)
    raise NotAcceptable(
        f"Frames are given as {OCTETS}, as they are stored ({_media_type(header.transfer_syntax)}), or as image/jls or "
        "image/jp2 without loss; one frame also without parts."
    )


def _bound(numbers: Sequence[int], length: int) -> None:
    """Refuse frames that have too many bytes together. A single one is bounded by the pixels that there are."""
    if len(numbers) > 1 and length > MOST_BYTES:
        raise BadRequest(f"These frames have more than {MOST_BYTES >> 20} MB together; ask for fewer in one request.")


def _length(header: Header) -> int:
    """Bytes of a decoded frame, as the header promises."""
    names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    rows, columns, samples, bits = (int(header.dataset.get(name) or 1) for name in names)
    return rows * columns * samples * bits // 8


def encoding(syntax: UID) -> MediaType:
    """The media type of frames in a transfer syntax."""
    return MediaType(_media_type(syntax), {"transfer-syntax": syntax})


def decoded(stream: BinaryIO, header: Header, numbers: Sequence[int]) -> list[bytes]:
    """Frames in little endian, uncompressed. Raises NotAcceptable for frames that can't be decoded."""
    if header.transfer_syntax in AS_STORED and header.pixels is not None:
        length = _length(header)
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


def _names(wanted: MediaType, syntax: UID) -> bool:
    """Whether a client wants this transfer syntax, by its UID or as the default of the media type."""
    asked = wanted.parameters.get("transfer-syntax")
    if asked is None:
        return wanted.name == MEDIA_TYPES[syntax]
    return asked == syntax and wanted.matches(MEDIA_TYPES[syntax])


def _coded(stream: BinaryIO, header: Header, numbers: Sequence[int], syntax: UID) -> list[bytes] | None:
    """Frames, compressed; None if these pixels can't be compressed without loss."""
    try:
        layout = Layout.of(all_attributes(stream))
        return [compressed(frame, layout, syntax) for frame in decoded(stream, header, numbers)]
    except NotCompressed:
        return None


def _media_type(syntax: UID) -> str:
    return MEDIA_TYPES.get(syntax, OCTETS)


def _fragments(stream: BinaryIO, header: Header, numbers: Sequence[int]) -> list[bytes]:
    stream.seek(0)
    fragments = Fragments(stream.read(), header.pixels[0] if header.pixels else 0, count(header))
    try:
        return [fragments.frame(number - 1) for number in numbers]
    except MalformedInput:
        raise NotFound("The fragments of this instance are damaged; this frame can't be found.") from None


def _at(stream: BinaryIO, start: int, length: int) -> bytes:
    stream.seek(start)
    return stream.read(length)
