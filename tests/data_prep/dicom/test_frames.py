"""Bytes to frames: values mean what the header says, nothing of the patient stays, nothing hostile gets through."""

import struct
import zlib
from collections import Counter
from itertools import product

import numpy as np
import pytest
from pydicom import uid

from data_prep.dicom.frames import read_study
from data_prep.errors import InputError, InputOverLimit, MalformedBody, MalformedInput
from tests.data_prep.dicom_factory import (
    bounded_memory,
    decode_one,
    encode,
    encode_codestreams,
    jpeg_2000,
    make_pixels,
    make_slice,
    read_one,
    uploads,
    zipped,
)

MEBIBYTE = 1 << 20


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


def test_the_same_bytes_may_mean_different_things_in_files_of_one_study():
    """What one file's values mean says nothing of another's with another byte order or character set."""
    syntaxes = (uid.ExplicitVRBigEndian, uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
    high = make_pixels(256, 1)  # Rows are 01 00 in big endian, as 1 row is in little endian
    name = "\u0413".encode("iso8859-5")
    files = {}
    for number, (syntax, characters) in enumerate(product(syntaxes, ("ISO_IR 100", "ISO_IR 144"))):
        image = make_slice(
            number + 1, high if syntax == uid.ExplicitVRBigEndian else high.T, SpecificCharacterSet=characters
        )
        image.SeriesDescription = name.decode({"ISO_IR 100": "latin-1", "ISO_IR 144": "iso8859-5"}[characters])
        files[f"{number}.dcm"] = encode(image, syntax)
    together = {frame.file: frame.header.values for frame in read_study(uploads(files)).frames}
    assert together == {name: read_one(content).header.values for name, content in files.items()}
    assert len({header["SeriesDescription"] for header in together.values()}) == 2
    assert {(header["Rows"], header["Columns"]) for header in together.values()} == {
        ((256.0,), (1.0,)),
        ((1.0,), (256.0,)),
    }


def test_the_same_instance_twice_is_taken_once_and_two_under_one_uid_refused():
    one = encode(make_slice())
    assert len(read_study(uploads({"a": one, "b": one})).frames) == 1
    other = encode(make_slice(pixels=make_pixels(seed=9)))
    with pytest.raises(MalformedInput, match="SOPInstanceUID"):
        read_study(uploads({"a": one, "b": other}))


def test_dicom_without_an_image_is_skipped():
    report = make_slice(SOPClassUID=uid.BasicTextSRStorage, Modality="SR", PixelData=None)
    assert read_study(uploads({"report": encode(report)})).frames == ()


def test_no_patient_in_what_can_be_printed():
    image = make_slice(PatientID="ID-4711", PatientName="Doe^Jane", PatientBirthDate="19700101")
    frame = read_one(encode(image))
    kept = repr(frame) + repr(frame.header.values) + repr(frame.patient)
    assert "4711" not in kept
    assert "Doe" not in kept
    assert "1970" not in kept


def damaged(**attributes) -> bytes:
    return encode(make_slice(**attributes))


def huge_header() -> bytes:
    return encode(make_slice(Rows=65535, Columns=65535, PixelData=bytes(1024)))


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
    "not a zip": (lambda: b"PK\3\4" + bytes(200), MalformedBody, "damaged or incomplete"),
    "zip without DICOM": (lambda: zipped({"a.txt": b"hello"}), MalformedInput, "No DICOM file"),
    "zip in zip": (lambda: zipped({"in.zip": zipped({"a": b"b"})}), MalformedInput, "zip within the zip"),
    "cut zip": (lambda: zipped({"a": encode(make_slice())})[:-40], MalformedBody, "damaged or incomplete"),
    "zip bomb": (zip_bomb, InputOverLimit, "times its size"),
    "deflated bomb": (deflated_bomb, InputOverLimit, "unpacks to more"),
    "huge header": (huge_header, InputOverLimit, "65535 x 65535"),
    "cut in the pixels": (lambda: encode(make_slice())[:-9], MalformedInput, "cut short"),
    "cut in the header": (lambda: encode(make_slice())[:500], MalformedInput, "no pixels"),
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
        [frame.decode() for frame in read_study(uploads({"sent.bin": content})).frames]


@pytest.mark.slow
def test_mutated_files_give_input_errors_and_nothing_else():
    random, outcomes = np.random.default_rng(7), Counter[str]()
    image = make_slice(pixels=make_pixels(32, 32))
    plain, packed = encode(image), encode_codestreams(image, uid.JPEG2000Lossless, [jpeg_2000(make_pixels(32, 32))])
    for original in (plain, packed, encode(image, uid.DeflatedExplicitVRLittleEndian), zipped({"a": plain})):
        for _ in range(120):
            content = bytearray(original)
            for place in random.integers(0, min(len(content), 1400), random.integers(1, 6)):
                content[place] = random.integers(256)
            with bounded_memory(40 * MEBIBYTE):
                outcomes[outcome_of(bytes(content))] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 50, "mutations that all end alike ask little"


def outcome_of(content: bytes) -> str:
    """Any other error than an InputError is raised."""
    try:
        planes = [frame.decode() for frame in read_study(uploads({"mutated": content})).frames]
    except InputError:
        return "refused"
    assert all(np.isfinite(plane).all() for plane in planes)
    return "read"
