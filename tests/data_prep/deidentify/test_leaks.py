"""What identifies a patient doesn't stay where a file says that it is something else."""

import io
import struct

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.uid import RLELossless

from data_prep.deidentify.deidentifier import Deidentifier
from data_prep.deidentify.profile import KEPT
from data_prep.deidentify.pseudonyms import Pseudonyms
from data_prep.deidentify.values import code, number, time
from data_prep.deidentify.words import without_unknown
from data_prep.dicom.budget import Budget
from data_prep.errors import MalformedInput
from data_prep.limits import Limits
from data_prep.selection.acquisition import fat_suppressed
from data_prep.selection.kind import find
from tests.app.studies import instances, voxels
from tests.data_prep.dicom_factory import encode_codestreams, make_slice, rle
from tests.data_prep.selection.test_kind import IMAGES, name, of

UNTOLD_LENGTH = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
IMAGE = instances(voxels()[:1])[0]
SHORT = ("US", "SS", "UL", "SL", "FL", "FD", "AT", "PN", "LT", "ZZ", "\0\0")
LONG = ("UN", "OB", "OV", "SV", "UV", "OD", "SQ", "UC", "UR")


def cleaned(content: bytes) -> bytes:
    return Deidentifier(Pseudonyms(b"k" * 32)).cleaned(content, Budget(Limits()))


def element(tag: int, representation: str, value: bytes) -> bytes:
    size = struct.pack("<HI", 0, len(value)) if representation in LONG else struct.pack("<H", len(value))
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + representation.encode() + size + value


def header(*elements: bytes) -> bytes:
    """A file with these elements only."""
    meta = 144 + struct.unpack_from("<I", IMAGE, 140)[0]
    return IMAGE[:meta] + b"".join(elements)


def with_value(keyword: str, representation: str, value: bytes) -> bytes:
    tag = tag_for_keyword(keyword)
    assert tag in KEPT
    return header(element(tag, representation, value))


@pytest.mark.parametrize("representation", [*SHORT, *LONG])
@pytest.mark.parametrize("value", [b"Quibble^Quibble^", b"Quibble^", b"Quib"])
def test_no_representation_lets_a_name_pass(representation, value):
    kept = cleaned(header(*(element(tag, representation, value) for tag in sorted(KEPT))))
    assert b"Quib" not in kept


def test_text_in_place_of_a_name_is_still_a_pseudonym():
    kept = dcmread(io.BytesIO(cleaned(with_value("PatientName", "UL", b"Quibble^Zebedee "))))
    assert kept["PatientName"].VR == "PN"
    assert str(kept.PatientName) not in ("", "Quibble^Zebedee")


@pytest.mark.parametrize(
    ("keyword", "representation", "value"),
    [
        ("AcquisitionMatrix", "US", struct.pack("<4H", 0, 320, 256, 0)),
        ("AcquisitionMatrix", "UN", struct.pack("<4H", 0, 320, 256, 0)),
        ("DiffusionBValue", "FD", struct.pack("<d", 800.0)),
        ("EchoTime", "FD", struct.pack("<d", 32.5)),
        ("DimensionIndexPointer", "AT", struct.pack("<2H", 0x20, 0x9057)),
        ("PixelPaddingValue", "SS", struct.pack("<h", -32768)),
    ],
)
def test_numbers_stay(keyword, representation, value):
    assert value in cleaned(with_value(keyword, representation, value))


@pytest.mark.parametrize(
    "text",
    [
        *("राजेश कुमार", "מֹשֶׁה כֹּהֵן", "مُحَمَّد", "ⓆⓊⒾⒷⒷⓁⒺ", "\ue051\ue055\ue049", "🇶🇺🇮", "Q u i b b l e Z", "555 123 456 78"),
        *("⁵⁵⁵ ¹²³ ⁴⁵⁶ ⁷⁸", "Q_u_i_b", "Ｑｕｉｂｂｌｅ"),
    ],
)
def test_nothing_of_a_name_is_left_in_any_script(text):
    kept = without_unknown(f"SAG {text} PD")
    assert kept.isascii()
    assert set(kept.replace("_", " ").split()) <= {"SAG", "PD", "zz", "555"}
    assert without_unknown(kept) == kept


@pytest.mark.parametrize("text", ["T2 3D 320 FS 80", "SAG PD w/o F/S", "FS -", "FA 15", "90 % 3 mm"])
def test_descriptions_of_scans_stay(text):
    assert without_unknown(text) == text


@pytest.mark.parametrize(
    ("read", "sent", "kept"),
    [
        *((time, "19610304 5551234567", ""), (time, "103000.123456", "103000.123456"), (time, "10:30:00", "10:30:00")),
        *(
            (number, "5551234567", "zz"),
            (number, "19610304555123", "zz"),
            (number, "0.70312499999999989", "0.70312499999999989"),
        ),
        *((code, "QUIBBLE ZEBEDEE", "ZZ ZZ"), (code, "QUIBBLE", "ZZ"), (code, "T1 MAP QUIBBLE", "T1 MAP ZZ")),
        *((code, "IN_PHASE", "IN_PHASE"), (code, "ISO_10918_1", "ISO_10918_1"), (code, "555 123 456", "555 ZZ ZZ")),
        *((code, "FAST_GEMS", "FAST_GEMS"), (code, "HFS", "HFS"), (code, "1H", "1H"), (code, "ECHO_01", "ECHO_01")),
    ],
)
def test_values_that_are_no_time_number_or_code_go(read, sent, kept):
    assert read(sent) == kept


def test_text_behind_the_pixels_goes():
    dataset = dcmread(io.BytesIO(IMAGE))
    pixels = dataset.PixelData
    dataset.PixelData += b"Quibble^Zebedee "
    longer = io.BytesIO()
    dataset.save_as(longer)
    assert cleaned(longer.getvalue()) == cleaned(IMAGE)
    assert dcmread(io.BytesIO(cleaned(longer.getvalue()))).PixelData == pixels
    del dataset.Rows
    unknown = io.BytesIO()
    dataset.save_as(unknown)
    with pytest.raises(MalformedInput, match="Rows"):
        cleaned(unknown.getvalue())


@pytest.mark.parametrize("said", [b"Y\0ES", b"Y ", b"\0YES", b"UNKNOWN "])
def test_what_may_say_that_text_is_in_the_pixels_counts(said):
    content = with_value("BurnedInAnnotation", "CS", said)
    assert Deidentifier(Pseudonyms(b"")).write(io.BytesIO(content), io.BytesIO(), Budget(Limits()))


def test_text_behind_fragments_of_a_known_length_goes():
    image = make_slice()
    stored = np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)
    content = encode_codestreams(image, RLELossless, [rle(stored)])
    at = content.index(UNTOLD_LENGTH) + len(UNTOLD_LENGTH)
    longer = content[: at - 4] + struct.pack("<L", len(content) - at + 16) + content[at:] + b"Quibble^Zebedee "
    kept = cleaned(longer)
    assert b"Quibble" not in kept
    assert content[at:-8] == kept[kept.index(UNTOLD_LENGTH[:8]) + 12 :]


@pytest.mark.parametrize("image", IMAGES, ids=name)
def test_what_scanners_write_means_the_same(image):
    types = "\\".join(map(code, image["type"].split("\\")))
    kept = image | {"type": types, "description": without_unknown(image.get("description", ""))}
    assert find(of(kept)).kind == find(of(image)).kind
    assert fat_suppressed(of(kept)) == fat_suppressed(of(image))
