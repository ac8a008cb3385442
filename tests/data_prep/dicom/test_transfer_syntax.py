"""Every transfer syntax gives the same pixels, and a codestream that lies isn't decoded."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openjpeg.utils
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from data_prep.errors import MalformedInput, UnsupportedInput
from tests.data_prep.dicom_factory import (
    dcmtk,
    decode_one,
    encode,
    encode_codestreams,
    jpeg_2000,
    make_pixels,
    make_slice,
    read_one,
    rle,
)

PIXEL_TYPES = {
    "unsigned 16 bit": make_pixels(),
    "signed 16 bit": make_pixels(dtype="i2") - 2048,
    "unsigned 8 bit": make_pixels(dtype="u1", below=256),
}


@pytest.mark.parametrize("pixels", PIXEL_TYPES.values(), ids=PIXEL_TYPES)
@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian]
)
def test_uncompressed(syntax, pixels):
    decoded = decode_one(encode(make_slice(pixels=pixels), syntax))
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i4"])
def test_big_endian_and_32_bit(dtype):
    pixels = make_pixels(dtype=dtype) - np.array(5).astype(dtype)
    for syntax in (uid.ExplicitVRBigEndian, uid.ExplicitVRLittleEndian):
        np.testing.assert_array_equal(decode_one(encode(make_slice(pixels=pixels), syntax)), pixels.astype(np.float32))


@pytest.mark.parametrize("pixels", PIXEL_TYPES.values(), ids=PIXEL_TYPES)
@pytest.mark.parametrize(
    ("syntax", "compress"), [(uid.RLELossless, rle), (uid.JPEG2000Lossless, jpeg_2000), (uid.JPEG2000, jpeg_2000)]
)
def test_compressed(syntax, compress, pixels):
    content = encode_codestreams(make_slice(pixels=pixels), syntax, [compress(pixels)])
    np.testing.assert_array_equal(decode_one(content), pixels)


@pytest.mark.parametrize("pixels", PIXEL_TYPES.values(), ids=PIXEL_TYPES)
@pytest.mark.parametrize(
    ("tool", "option", "syntax"),
    [
        ("dcmcjpeg", "+el", uid.JPEGLossless),
        ("dcmcjpeg", "+e1", uid.JPEGLosslessSV1),
        ("dcmcjpls", "+el", uid.JPEGLSLossless),
        ("dcmcrle", "--quiet", uid.RLELossless),
    ],
)
def test_what_dcmtk_compresses(tool, option, syntax, pixels, tmp_path):
    frame = read_one(dcmtk(tool, option, encode(make_slice(pixels=pixels)), tmp_path))
    assert frame.pixels.syntax == syntax
    np.testing.assert_array_equal(frame.decode(), pixels)


@pytest.mark.parametrize(
    ("tool", "option", "error"), [("dcmcjpls", "+en", 3), ("dcmcjpeg", "+eb", 24), ("dcmcjpeg", "+ee", 24)]
)
def test_lossy_codecs_stay_near(tool, option, error, tmp_path):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype("u1") * 6
    decoded = decode_one(dcmtk(tool, option, encode(make_slice(pixels=smooth)), tmp_path))
    assert 0 <= np.abs(decoded - smooth).max() <= error


def lying_jpeg_2000() -> bytes:
    codestream = bytearray(jpeg_2000(make_pixels(256, 256)))
    codestream[8:16] = struct.pack(">II", 65535, 65535)
    return encode_codestreams(make_slice(pixels=make_pixels(256, 256)), uid.JPEG2000Lossless, [bytes(codestream)])


def lying_jpeg() -> bytes:
    start_of_frame = struct.pack(">HHBHHBBBB", 0xFFC3, 11, 16, 65535, 65535, 1, 1, 0x11, 0)
    codestream = b"\xff\xd8" + start_of_frame + bytes(64) + b"\xff\xd9"
    return encode_codestreams(make_slice(pixels=make_pixels(256, 256)), uid.JPEGLosslessSV1, [codestream])


@pytest.mark.parametrize("make", [lying_jpeg_2000, lying_jpeg])
def test_a_codestream_that_lies_about_its_size_is_refused_before_decoding(make):
    frame = read_one(make())
    with pytest.raises(MalformedInput, match=r"one\.dcm.*256 x 256 pixels, its codestream 65535 x 65535"):
        frame.decode()


@pytest.mark.parametrize("compress", [rle, jpeg_2000])
def test_a_codestream_that_is_cut_short_is_an_error_and_no_blank(compress):
    syntax = uid.RLELossless if compress is rle else uid.JPEG2000Lossless
    codestream = compress(make_pixels(64, 64))
    content = encode_codestreams(make_slice(pixels=make_pixels(64, 64)), syntax, [codestream[: len(codestream) // 2]])
    with pytest.raises(MalformedInput, match=r"one\.dcm"):
        decode_one(content)


def test_an_rle_segment_that_overruns_the_image_is_an_input_error():
    pixels = make_pixels(8, 8)
    runs = bytes([1, 7, 7, 129, 9]) * 200  # literals and repeats, far more than 64 pixels
    codestream = struct.pack("<16I", 2, 64, 64 + len(runs), *[0] * 13) + runs + runs
    with pytest.raises(MalformedInput, match=r"one\.dcm"):
        decode_one(encode_codestreams(make_slice(pixels=pixels), uid.RLELossless, [codestream]))


def test_an_unknown_transfer_syntax_is_named():
    content = encode_codestreams(make_slice(), uid.MPEG2MPML, [b"\0\0\1\xb3"])
    with pytest.raises(UnsupportedInput, match="MPEG2 Main Profile"):
        decode_one(content)


def of_twelve_bits(**attributes) -> Dataset:
    return make_slice(pixels=TWELVE_BITS, BitsStored=12, HighBit=11, **attributes)


TWELVE_BITS = make_pixels()
OVERLAY = (np.arange(TWELVE_BITS.size).reshape(TWELVE_BITS.shape) % 16 << 12).astype("u2")


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEG2000, uid.RLELossless, uid.ExplicitVRLittleEndian])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("above", [0, 1])
def test_stored_values_mean_the_same_however_they_are_encoded(syntax, signed, above):
    """A codestream of 16 bits around 12 that are stored, with or without something above them."""
    patterns = TWELVE_BITS | OVERLAY * above
    image = of_twelve_bits(PixelRepresentation=signed)
    if syntax == uid.ExplicitVRLittleEndian:
        image.PixelData = patterns.tobytes()
        content = encode(image)
    else:
        content = encode_codestreams(
            image, syntax, [rle(patterns) if syntax == uid.RLELossless else jpeg_2000(patterns)]
        )
    expected = (TWELVE_BITS.astype("i4") ^ 0x800) - 0x800 if signed else TWELVE_BITS
    np.testing.assert_array_equal(decode_one(content), expected)


@pytest.mark.parametrize(("tool", "option"), [("dcmcjpeg", "+e1"), ("dcmcjpls", "+el")])
@pytest.mark.parametrize("signed", [0, 1])
def test_what_dcmtk_compresses_of_twelve_bits(tool, option, signed, tmp_path):
    image = of_twelve_bits(PixelRepresentation=signed)
    expected = decode_one(encode(image))
    np.testing.assert_array_equal(decode_one(dcmtk(tool, option, encode(image), tmp_path)), expected)


def test_a_signed_codestream_of_fewer_bits_is_sign_extended():
    values = TWELVE_BITS.astype("i2") - 2048
    stream = openjpeg.utils.encode_array(values, bits_stored=12)
    for stored in (12, 16):
        image = make_slice(pixels=values, BitsStored=stored, HighBit=stored - 1)
        np.testing.assert_array_equal(decode_one(encode_codestreams(image, uid.JPEG2000Lossless, [stream])), values)


def jp2(codestream: bytes, length: int | None = None) -> bytes:
    """A JP2 file (ISO 15444-1 annex I) around a codestream; its length may be left open."""
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
    return boxes + struct.pack(">I4s", len(codestream) + 8 if length is None else length, b"jp2c") + codestream


@pytest.mark.parametrize("length", [None, 0])
def test_boxes_of_a_jp2_file_are_left_aside(length):
    codestream = jp2(jpeg_2000(TWELVE_BITS), length)
    content = encode_codestreams(of_twelve_bits(), uid.JPEG2000Lossless, [codestream])
    np.testing.assert_array_equal(decode_one(content), TWELVE_BITS)
    lying = encode_codestreams(of_twelve_bits(), uid.JPEG2000Lossless, [jp2(jpeg_2000(make_pixels(64, 64)), length)])
    with pytest.raises(MalformedInput, match="its codestream 64 x 64"):
        decode_one(lying)


def test_boxes_that_lie_about_their_lengths_end_somewhere():
    for length in (1, 7, 2**31):
        boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I4s", length, b"ftyp")
        with pytest.raises(MalformedInput):
            decode_one(encode_codestreams(of_twelve_bits(), uid.JPEG2000Lossless, [boxes]))


# 6 x 8 pixels of value 83 i mod 4096, by OpenJPH 0.26.3.
HTJ2K = bytes.fromhex(
    "ff4fff5100294000000000080000000600000000000000000000000800000006000000000000000000010f0101ff50000800020000000aff"
    "52000c00020001000504044001ff5c00132088909090909090909090909090888888ff64001700014f70656e4a50482056657220302e3236"
    "2e332eff90000a00000000005b0001ff93c00026cff3050774000000c0001340001300f4fe020774000af603877400c00013400013007474"
    "01827400a5a500423400c0002a600015802412e9a042310276002e75a94b5dfac05281beb600ffd9"
)


@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K])
def test_high_throughput_jpeg_2000(syntax):
    pixels = (np.arange(48).reshape(6, 8) * 83 % 4096).astype("u2")
    np.testing.assert_array_equal(decode_one(encode_codestreams(make_slice(pixels=pixels), syntax, [HTJ2K])), pixels)


def jpeg_of(image: Dataset, tool: str, option: str, folder: Path) -> tuple[str, bytes]:
    """Transfer syntax and codestream, by DCMTK."""
    dataset = pydicom.dcmread(io.BytesIO(dcmtk(tool, option, encode(image), folder)))
    return dataset.file_meta.TransferSyntaxUID, next(generate_frames(dataset.PixelData, number_of_frames=1))


APP, COMMENT = b"\xff\xe0\0\x08JFIF!\0", b"\xff\xfe\0\x06by X"
ODDITIES: dict[str, Callable[[bytes], bytes]] = {
    "fill bytes before the first marker": lambda jpeg: jpeg[:2] + b"\xff\xff\xff" + jpeg[2:],
    "application data and a comment": lambda jpeg: jpeg[:2] + COMMENT + APP + COMMENT + jpeg[2:],
    "fill bytes between these": lambda jpeg: jpeg[:2] + COMMENT + b"\xff" + APP + b"\xff\xff" + jpeg[2:],
    "zeros at the end": lambda jpeg: jpeg + bytes(25),
    "a line's end at the end": lambda jpeg: jpeg + b"\r\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ODDITIES)
@pytest.mark.parametrize(
    ("tool", "option"), [("dcmcjpeg", "+e1"), ("dcmcjpeg", "+el"), ("dcmcjpeg", "+ee"), ("dcmcjpls", "+el")]
)
def test_oddities_of_jpeg_streams_change_nothing(name, tool, option, tmp_path):
    smooth = (np.add.outer(np.arange(32), np.arange(32)) * 3).astype("u1" if option == "+ee" else "u2")
    image = make_slice(pixels=smooth)
    syntax, jpeg = jpeg_of(image, tool, option, tmp_path)
    odd = decode_one(encode_codestreams(image, syntax, [ODDITIES[name](jpeg)]))
    np.testing.assert_array_equal(odd, decode_one(encode_codestreams(image, syntax, [jpeg])))


@pytest.mark.parametrize(("tool", "option"), [("dcmcjpeg", "+e1"), ("dcmcjpeg", "+ee"), ("dcmcjpls", "+el")])
def test_a_jpeg_stream_without_its_end_is_an_error(tool, option, tmp_path):
    """Decoders put grey where lines are missing; nobody could tell that from a picture."""
    image = make_slice(pixels=make_pixels(32, 32, dtype="u1", below=256))
    syntax, jpeg = jpeg_of(image, tool, option, tmp_path)
    for cut in (jpeg[: len(jpeg) // 2], jpeg.rstrip(b"\0")[:-2]):
        with pytest.raises(MalformedInput, match=r"one\.dcm"):
            decode_one(encode_codestreams(image, syntax, [cut]))


def test_a_sequential_scan_that_names_no_spectrum_is_read_as_dcmtk_reads_it(tmp_path):
    image = make_slice(pixels=(np.add.outer(np.arange(32), np.arange(32)) * 3).astype("u1"))
    syntax, jpeg = jpeg_of(image, "dcmcjpeg", "+ee", tmp_path)
    scan = jpeg.index(b"\xff\xda\0\x08")
    odd = jpeg[: scan + 7] + b"\0\0\0" + jpeg[scan + 10 :]
    assert odd != jpeg
    expected = decode_one(encode_codestreams(image, syntax, [jpeg]))
    np.testing.assert_array_equal(decode_one(encode_codestreams(image, syntax, [odd])), expected)
