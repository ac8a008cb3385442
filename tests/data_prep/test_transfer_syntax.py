"""Every transfer syntax gives the same pixels, and a codestream that lies isn't decoded."""

import struct

import numpy as np
import pytest
from pydicom import uid

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
