"""Bits to stored values, frames out of one element."""

import struct

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate_extended

from data_prep.dicom.frames import read_study
from data_prep.errors import MalformedInput, UnsupportedInput
from tests.data_prep.dicom_factory import (
    decode_one,
    encode,
    encode_codestreams,
    enhanced,
    jpeg_2000,
    make_pixels,
    make_series,
    make_slice,
    uploads,
)


def test_twelve_bits_in_sixteen_are_sign_extended_and_overlay_bits_dropped():
    values = np.array([[-2048, -1], [5, 2047]], "i2")
    for above in (0x0000, 0xF000):
        image = make_slice(pixels=((values & 0x0FFF) | np.array(above, "u2").astype("i2")).astype("i2"))
        image.BitsStored, image.HighBit = 12, 11
        np.testing.assert_array_equal(decode_one(encode(image)), values)


@pytest.mark.parametrize("fragments", [1, 2])
def test_frames_of_a_compressed_multiframe_instance(fragments):
    slices = make_series(3)
    image = enhanced(slices)
    codestreams = [jpeg_2000(stored(one)) for one in slices]
    content = encode_codestreams(image, uid.JPEG2000Lossless, codestreams, fragments_per_frame=fragments)
    frames = read_study(uploads({"enhanced.dcm": content})).frames
    assert [frame.number for frame in frames] == [1, 2, 3]
    for frame, one in zip(frames, slices, strict=True):
        np.testing.assert_array_equal(frame.decode(), stored(one))


def stored(image: Dataset) -> np.ndarray:
    return np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "isn't MONOCHROME1 or MONOCHROME2"),
        ({"SamplesPerPixel": 3, "PixelData": bytes(8640)}, "SamplesPerPixel is 3"),
    ],
)
def test_pixels_that_are_no_grey_values_are_unsupported(attributes, says):
    with pytest.raises(MalformedInput, match=says):
        decode_one(encode(make_slice(**attributes)))


def in_items(image: Dataset, items: list[bytes], end: bytes = b"\xfe\xff\xdd\xe0\0\0\0\0") -> bytes:
    """A file with these items after its pixel data element's head, the offset table among them."""
    content = encode_codestreams(image, uid.JPEG2000Lossless, [b"\xff\x4f\xff\xd9"])
    start = content.index(b"\xe0\x7f\x10\0OB") + 12
    return content[:start] + b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(one)) + one for one in items) + end


SLICES = make_series(4)
STREAMS = [jpeg_2000(stored(one)) for one in SLICES]
CUT = [part for stream in STREAMS for part in (stream[:101], stream[101:700], stream[700:])]
OFFSETS = struct.pack("<4I", *np.cumsum([0, *(len(stream) + 24 for stream in STREAMS[:-1])]))
FRAGMENTS = {
    "no table": [b"", *CUT],
    "a table": [OFFSETS, *CUT],
    "a table of zeros": [bytes(16), *CUT],
    "a table of wrong offsets": [struct.pack("<4I", 0, 7, 9, 11), *CUT],
    "a table of one frame": [bytes(4), *CUT],
    "an empty item between": [b"", *CUT[:3], b"", *CUT[3:]],
    "an empty item at the end": [b"", *CUT, b""],
    "frames of different numbers of fragments": [b"", STREAMS[0], *CUT[3:]],
    "padding after each codestream": [b"", *(part + b"\0" * (place % 3 == 2) for place, part in enumerate(CUT))],
    "one fragment a frame": [b"", *STREAMS],
}


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_are_told_apart_into_frames(name):
    """PS3.5 A.4; where there is no table, or a wrong one, by the ends of the codestreams, as pydicom does."""
    frames = read_study(uploads({"e": in_items(enhanced(SLICES), FRAGMENTS[name])})).frames
    for frame, one in zip(frames, SLICES, strict=True):
        np.testing.assert_array_equal(frame.decode(), stored(one))


def test_an_extended_offset_table_may_stand_beside():
    image = enhanced(SLICES)
    _, image.ExtendedOffsetTable, image.ExtendedOffsetTableLengths = encapsulate_extended(STREAMS)
    content = in_items(image, [b"", *STREAMS])
    for frame, one in zip(read_study(uploads({"e": content})).frames, SLICES, strict=True):
        np.testing.assert_array_equal(frame.decode(), stored(one))


def test_a_missing_delimiter_is_no_missing_slice_and_a_missing_byte_is():
    content = in_items(enhanced(SLICES), [b"", *CUT], end=b"")
    np.testing.assert_array_equal(read_study(uploads({"e": content})).frames[3].decode(), stored(SLICES[3]))
    with pytest.raises(MalformedInput, match="cut short"):
        read_study(uploads({"e": content[:-1]})).frames[0].decode()


@pytest.mark.parametrize("items", [[b"", *CUT[:-3]], [b"", *CUT, *STREAMS[:1]], [b"", *STREAMS[:3]]])
def test_fragments_that_are_not_those_of_the_frames_are_an_error(items):
    with pytest.raises(MalformedInput, match="can't be assigned to 4 frames"):
        read_study(uploads({"e": in_items(enhanced(SLICES), items)})).frames[0].decode()


def test_bits_at_the_top_are_moved_down_unless_lower_ones_hold_something():
    values = make_pixels()
    image = make_slice(pixels=values << 4, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(decode_one(encode(image)), values)
    signed = make_slice(pixels=((values.astype("i2") - 2048) << 4), BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(decode_one(encode(signed)), values.astype("f4") - 2048)
    with pytest.raises(MalformedInput, match="HighBit"):
        decode_one(encode(make_slice(pixels=values, BitsStored=12, HighBit=15)))


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("vr", ["OW", "OB"])
def test_bytes_in_big_endian_are_swapped_in_words_alone(vr, odd):
    frames = np.stack([make_pixels(5, 7 if odd else 8, seed=seed, dtype="u1", below=256) for seed in range(3)])
    plain = frames.tobytes() + b"\0" * (frames.size % 2)
    image = enhanced([make_slice(number, pixels=frame) for number, frame in enumerate(frames, start=1)])
    image.PixelData = np.frombuffer(plain, "u2").byteswap().tobytes() if vr == "OW" else plain
    image["PixelData"].VR = vr
    read = read_study(uploads({"big": encode(image, uid.ExplicitVRBigEndian)})).frames
    np.testing.assert_array_equal(np.stack([frame.decode() for frame in read]), frames)


def test_native_pixels_may_be_followed_by_padding():
    image = make_slice(pixels=make_pixels(5, 5, dtype="u1", below=256))
    expected = decode_one(encode(image))
    image.PixelData += bytes(9)
    np.testing.assert_array_equal(decode_one(encode(image)), expected)


def under_another_syntax(content: bytes, old: str, new: str) -> bytes:
    head = struct.pack("<HH2sH", 2, 16, b"UI", len(old) + len(old) % 2)
    start = content.index(head)
    value = new.encode() + b"\0" * (len(new) % 2)
    rest = content[start + len(head) + len(old) + len(old) % 2 :]
    return content[:start] + struct.pack("<HH2sH", 2, 16, b"UI", len(value)) + value + rest


def test_pixels_that_are_not_as_the_transfer_syntax_says_are_an_error():
    native, packed = encode(make_slice()), encode_codestreams(make_slice(), uid.JPEG2000Lossless, STREAMS[:1])
    with pytest.raises(MalformedInput, match="aren't compressed, though"):
        decode_one(under_another_syntax(native, uid.ExplicitVRLittleEndian, uid.JPEG2000Lossless))
    with pytest.raises(UnsupportedInput, match="isn't supported"):
        decode_one(under_another_syntax(packed, uid.JPEG2000Lossless, uid.ExplicitVRLittleEndian))
