"""Bytes to frames: every transfer syntax gives the same pixels, and nothing hostile gets through or costs memory."""

import struct
import tracemalloc
import zlib

import numpy as np
import openjpeg.utils
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from rle.utils import encode_pixel_data as encode_rle

from data_prep.dicom import Frame, Limits, read_study
from data_prep.errors import InputError, InputOverLimit, MalformedInput, UnsupportedInput
from tests.data_prep.dicom_factory import (
    dcmtk,
    encode,
    encode_codestreams,
    enhanced,
    make_pixels,
    make_series,
    make_slice,
    uploads,
    zipped,
)

MEBIBYTE = 1 << 20


def read_one(content: bytes, limits: Limits | None = None) -> Frame:
    (frame,) = read_study(uploads({"one.dcm": content}), limits)
    return frame


def decode_one(content: bytes) -> np.ndarray:
    return read_one(content).decode()


def rle(pixels: np.ndarray) -> bytes:
    rows, columns = pixels.shape
    return encode_rle(
        pixels.tobytes(),
        byteorder="<",
        rows=rows,
        columns=columns,
        samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize,
        number_of_frames=1,
    )


def jpeg_2000(pixels: np.ndarray) -> bytes:
    return openjpeg.utils.encode_array(pixels, bits_stored=8 * pixels.itemsize)


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


def test_twelve_bits_in_sixteen_are_sign_extended_and_overlay_bits_dropped():
    values = np.array([[-2048, -1], [5, 2047]], "i2")
    for above in (0x0000, 0xF000):
        image = make_slice(pixels=((values & 0x0FFF) | np.array(above, "u2").astype("i2")).astype("i2"))
        image.BitsStored, image.HighBit = 12, 11
        np.testing.assert_array_equal(decode_one(encode(image)), values)


def test_rescale_keeps_negative_fractions():
    image = make_slice(pixels=np.array([[0, 1], [2, 65535]], "u2"), RescaleSlope=0.5, RescaleIntercept=-1.5)
    np.testing.assert_array_equal(decode_one(encode(image)), [[-1.5, -1.0], [-0.5, 32766.0]])


def test_monochrome1_is_the_negative_within_the_stored_bits():
    pixels = make_pixels()
    image = make_slice(pixels=(4095 - pixels).astype("u2"), PhotometricInterpretation="MONOCHROME1")
    image.BitsStored, image.HighBit = 12, 11
    np.testing.assert_array_equal(decode_one(encode(image)), pixels)


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_padding_becomes_the_lowest_real_value(syntax):
    pixels = np.array([[-2000, 7], [9, -1990]], "i2")
    single = make_slice(pixels=pixels)
    single.add_new("PixelPaddingValue", "SS", -2000)
    np.testing.assert_array_equal(decode_one(encode(single, syntax)), [[-1990, 7], [9, -1990]])
    single.add_new("PixelPaddingRangeLimit", "SS", -1990)
    np.testing.assert_array_equal(decode_one(encode(single, syntax)), [[7, 7], [9, 7]])


@pytest.mark.parametrize("fragments", [1, 2])
def test_frames_of_a_compressed_multiframe_instance(fragments):
    slices = make_series(3)
    image = enhanced(slices)
    codestreams = [jpeg_2000(stored(one)) for one in slices]
    content = encode_codestreams(image, uid.JPEG2000Lossless, codestreams, fragments_per_frame=fragments)
    frames = read_study(uploads({"enhanced.dcm": content}))
    assert [frame.number for frame in frames] == [1, 2, 3]
    for frame, one in zip(frames, slices, strict=True):
        np.testing.assert_array_equal(frame.decode(), stored(one))


def stored(image: Dataset) -> np.ndarray:
    return np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)


def test_a_file_a_folder_a_zip_and_uploads_are_the_same_study(tmp_path):
    files = {f"a/b{place}": encode(image) for place, image in enumerate(make_series(3))}
    files |= {"DICOMDIR": b"not really", "__MACOSX/._b0": b"\0\5\26\7", "readme.txt": b"hello", ".DS_Store": b""}
    for name, content in files.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "study.zip").write_bytes(zipped(files))
    sources = (tmp_path / "folder", tmp_path / "study.zip", uploads(files), uploads({"body": zipped(files)}))
    studies = [[frame.sop_uid for frame in read_study(source)] for source in sources]
    assert studies == [["2.25.77.1.1", "2.25.77.1.2", "2.25.77.1.3"]] * 4


def test_the_same_instance_twice_is_taken_once_and_two_under_one_uid_refused():
    one = encode(make_slice())
    assert len(read_study(uploads({"a": one, "b": one}))) == 1
    other = encode(make_slice(pixels=make_pixels(seed=9)))
    with pytest.raises(MalformedInput, match="SOPInstanceUID"):
        read_study(uploads({"a": one, "b": other}))


def test_dicom_without_an_image_is_skipped():
    report = make_slice(SOPClassUID=uid.BasicTextSRStorage, Modality="SR", PixelData=None)
    assert read_study(uploads({"report": encode(report)})) == []


def test_no_patient_in_what_can_be_printed():
    image = make_slice(PatientID="ID-4711", PatientName="Doe^Jane", PatientBirthDate="19700101")
    frame = read_one(encode(image))
    kept = repr(frame) + repr(frame.header.values) + frame.patient
    assert "4711" not in kept
    assert "Doe" not in kept
    assert "1970" not in kept


def damaged(**attributes) -> bytes:
    return encode(make_slice(**attributes))


def huge_header() -> bytes:
    return encode(make_slice(Rows=65535, Columns=65535, PixelData=bytes(1024)))


def lying_jpeg_2000() -> bytes:
    codestream = bytearray(jpeg_2000(make_pixels(256, 256)))
    codestream[8:16] = struct.pack(">II", 65535, 65535)
    return encode_codestreams(make_slice(pixels=make_pixels(256, 256)), uid.JPEG2000Lossless, [bytes(codestream)])


def lying_jpeg() -> bytes:
    start_of_frame = struct.pack(">HHBHHBBBB", 0xFFC3, 11, 16, 65535, 65535, 1, 1, 0x11, 0)
    codestream = b"\xff\xd8" + start_of_frame + bytes(64) + b"\xff\xd9"
    return encode_codestreams(make_slice(pixels=make_pixels(256, 256)), uid.JPEGLosslessSV1, [codestream])


def deflated_bomb() -> bytes:
    content = encode(make_slice(), uid.DeflatedExplicitVRLittleEndian)
    meta_end = 144 + struct.unpack_from("<I", content, 140)[0]
    packer = zlib.compressobj(9, wbits=-15)
    return content[:meta_end] + packer.compress(bytes(100 * MEBIBYTE)) + packer.flush()


def zip_bomb() -> bytes:
    return zipped({"bomb.dcm": bytes(128) + b"DICM" + bytes(100 * MEBIBYTE)})


HOSTILE = {
    "empty": (lambda: b"", MalformedInput, "is empty"),
    "text": (lambda: b"hello" * 100, MalformedInput, "neither DICOM nor a zip"),
    "not a zip": (lambda: b"PK\3\4" + bytes(200), MalformedInput, "no zip"),
    "zip without DICOM": (lambda: zipped({"a.txt": b"hello"}), MalformedInput, "No DICOM file"),
    "zip in zip": (lambda: zipped({"in.zip": zipped({"a": b"b"})}), MalformedInput, "zip within the zip"),
    "cut zip": (lambda: zipped({"a": encode(make_slice())})[:-40], MalformedInput, "cut short"),
    "zip bomb": (zip_bomb, InputOverLimit, "times its size"),
    "deflated bomb": (deflated_bomb, InputOverLimit, "unpacks to more"),
    "huge header": (huge_header, InputOverLimit, "65535 x 65535"),
    "cut in the pixels": (lambda: encode(make_slice())[:-9], MalformedInput, "cut short"),
    "cut in the header": (lambda: encode(make_slice())[:500], MalformedInput, "ends before its pixels"),
    "too few pixels": (lambda: damaged(PixelData=bytes(100)), MalformedInput, "cut short"),
    "many frames": (lambda: damaged(NumberOfFrames=2**31 - 1), InputOverLimit, "images"),
    "no rows": (lambda: damaged(Rows=None), MalformedInput, "Rows"),
    "path as UID": (lambda: damaged(SeriesInstanceUID="../../etc"), MalformedInput, "SeriesInstanceUID"),
}


@pytest.mark.parametrize(("make", "error", "says"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_bad_input_is_named_and_costs_no_memory(make, error, says):
    content = make()
    with pytest.raises(error, match=says), bounded_memory(40 * MEBIBYTE):
        read_study(uploads({"sent.bin": content}))


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


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"SamplesPerPixel": 3, "PixelData": bytes(8640)}, "3 samples"),
    ],
)
def test_pixels_that_are_no_grey_values_are_unsupported(attributes, says):
    with pytest.raises(UnsupportedInput, match=says):
        decode_one(encode(make_slice(**attributes)))


def test_an_unknown_transfer_syntax_is_named():
    content = encode_codestreams(make_slice(), uid.HTJ2KLossless, [b"\xff\x4f\xff\x51"])
    with pytest.raises(UnsupportedInput, match="High-Throughput"):
        decode_one(content)


def test_limits_of_files_bytes_and_pixels():
    files = {f"{place}": encode(image) for place, image in enumerate(make_series(4))}
    for limits in (Limits(files=3), Limits(file_bytes=500), Limits(unpacked_bytes=8000), Limits(voxels=5759)):
        for source in (files, {"study.zip": zipped(files)}):
            with pytest.raises(InputOverLimit):
                read_study(uploads(source), limits)
    assert len(read_study(uploads(files), Limits(files=4, voxels=5760, frames=4, frame_side=40))) == 4


def test_an_encrypted_zip_says_so():
    content = bytearray(zipped({"a.dcm": encode(make_slice())}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(UnsupportedInput, match="encrypted"):
        read_study(uploads({"z.zip": bytes(content)}))


def test_names_that_climb_out_of_the_archive_are_only_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = zipped({"../../evil.dcm": encode(make_slice()), "/etc/passwd": b"x"})
    assert len(read_study(uploads({"z.zip": content}))) == 1
    assert list(tmp_path.iterdir()) == []


def test_mutated_files_give_input_errors_and_nothing_else():
    random = np.random.default_rng(7)
    image = make_slice(pixels=make_pixels(32, 32))
    plain, packed = encode(image), encode_codestreams(image, uid.JPEG2000Lossless, [jpeg_2000(make_pixels(32, 32))])
    for original in (plain, packed, encode(image, uid.DeflatedExplicitVRLittleEndian), zipped({"a": plain})):
        for _ in range(120):
            content = bytearray(original)
            for place in random.integers(0, min(len(content), 1400), random.integers(1, 6)):
                content[place] = random.integers(256)
            with bounded_memory(40 * MEBIBYTE):
                try_to_read(bytes(content))


def try_to_read(content: bytes) -> None:
    try:
        for frame in read_study(uploads({"mutated": content})):
            frame.decode()
    except InputError:
        pass


class bounded_memory:
    """Fails when Python's heap grows by more than `limit` bytes within."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *_: object) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.limit, f"{peak:,} bytes"
