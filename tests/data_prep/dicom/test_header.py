"""What headers say, however it is written: numbers as people and machines write them, and functional groups."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from data_prep.dicom import header
from data_prep.dicom.frames import read_study
from data_prep.dicom.header import Header
from data_prep.errors import InputError, MalformedInput
from data_prep.selection.series import load_study
from tests.data_prep.dicom_factory import (
    encode,
    encode_raw,
    enhanced,
    make_item,
    make_series,
    make_slice,
    named,
    read_one,
    uploads,
)


def read(keyword: str, value: bytes, vr: str = "DS") -> Header:
    return read_one(encode_raw(make_slice(), keyword, value, vr)).header


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"35", 35.0),
        (b" 35.0 ", 35.0),
        (b"35\0", 35.0),
        (b"3.5E+01", 35.0),
        (b"1.5e0", 1.5),
        (b"1,5", 1.5),
        (b"3000,5", 3000.5),
        (b"0,625", 0.625),
        (b",5", 0.5),
        (b"+.5", 0.5),
        (b"0.123456789012345678901", 0.123456789012345678901),
        (b"35\\36", 35.0),
        (b"3,000", None),
        (b"1.000,5", None),
        (b"1,000.5", None),
        (b"NaN", None),
        (b"n/a", None),
        (b"inf", None),
        (b"-Infinity", None),
        (b"1_000", None),
        (b"35 ms", None),
        (b"0x23", None),
        (b"1e999", None),
        (b"\xff\xfe", None),
        (b"", None),
        (b"\\35", None),
    ],
)
def test_an_optional_number_is_read_or_unknown(value, number):
    assert read("EchoTime", value).number("EchoTime") == number


@pytest.mark.parametrize(
    ("value", "vr", "number"),
    [
        (b"12.0", "IS", 12.0),
        (b"35", "LO", 35.0),
        (b"35", "UN", 35.0),
        (np.float64(35.5).tobytes(), "FD", 35.5),
        (np.float64("nan").tobytes(), "FD", None),
        (b"\1\2\3\4", "FD", None),
        (b"a sequence", "ST", None),
    ],
)
def test_other_representations_than_the_dictionarys(value, vr, number):
    assert read("EchoTime", value, vr).number("EchoTime") == number


@settings(max_examples=60)
@given(st.binary(max_size=20), st.sampled_from(["DS", "IS", "FD", "US", "LO", "UN", "OB", "SH"]))
def test_no_value_of_an_optional_attribute_refuses_an_image(value, vr):
    header = read("RepetitionTime", value, vr)
    assert header.number("RepetitionTime") is None or np.isfinite(header.number("RepetitionTime"))


@pytest.mark.parametrize(
    ("value", "numbers"),
    [(b"0.5\\0.25", (0.5, 0.25)), (b"0,5\\0,25", (0.5, 0.25)), (b"0.50000000000000000001\\0.5\\", (0.5, 0.5))],
)
def test_numbers_that_are_needed_are_read(value, numbers):
    assert read("PixelSpacing", value).numbers("PixelSpacing", 2) == numbers


@pytest.mark.parametrize(
    "value", [b"0.5", b"0.5\\0.5\\0.5", b"0.5\\", b"\\0.5", b"0.5\\nan", b"1,000\\1,000", b"0.5;0.5"]
)
def test_numbers_that_are_needed_and_cannot_be_read_say_so(value):
    header = read("PixelSpacing", value)
    with pytest.raises(MalformedInput, match="PixelSpacing isn't 2 numbers"):
        header.numbers("PixelSpacing", 2)


@pytest.mark.parametrize("zero", ["0", "-0", "-0.0", "-.0E5"])
def test_minus_zero_is_zero_for_the_bytes_that_a_study_s_id_is_made_from(zero):
    header._numbers.cache_clear()
    images = make_series()
    for image in images:
        image.ImageOrientationPatient = [one or zero for one in image.ImageOrientationPatient]
    directions = load_study(named(images)).volume.directions
    assert not np.signbit(directions[directions == 0]).any()


@pytest.mark.parametrize("value", [b"n/a", b"1,500", b"NaN"])
def test_a_slope_that_cannot_be_read_refuses_the_slice(value):
    frame = read_one(encode_raw(make_slice(), "RescaleSlope", value, "DS"))
    with pytest.raises(InputError, match="RescaleSlope"):
        frame.decode()


def test_pixels_follow_a_slope_with_a_decimal_comma():
    plain = make_slice(RescaleSlope="0.5", RescaleIntercept="-1.5")
    comma = encode_raw(make_slice(RescaleIntercept="-1.5"), "RescaleSlope", b"0,5", "DS")
    np.testing.assert_array_equal(read_one(comma).decode(), read_one(encode(plain)).decode())


@pytest.mark.filterwarnings("ignore:Unknown encoding", "ignore:Value")
@pytest.mark.parametrize("value", [b"\0ISO_IR 10", b"ISO_IR 100\0\0", b"NONE", b"\xff\xff", b"ISO 2022 IR 87\\\\x"])
def test_a_broken_character_set_leaves_ascii_readable(value):
    content = encode_raw(make_slice(SeriesDescription="PD FS SAG"), "SpecificCharacterSet", value, "CS")
    assert read_one(content).header.text("SeriesDescription") == "PD FS SAG"


GROUPS: dict[str, dict[str, Any]] = {
    "MRTimingAndRelatedParametersSequence": {"RepetitionTime": 2500.0},
    "MRModifierSequence": {"InversionTimes": [160.0], "InversionRecovery": "YES"},
    "MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "WATER"]},
    "UnassignedSharedConvertedAttributesSequence": {"ScanOptions": ["FS", "SAT1"], "SequenceVariant": "SK"},
    "MRFOVGeometrySequence": {"PixelSpacing": [0.75, 0.75]},
}
CLASSIC = {"InversionTimes": "InversionTime"}


def without_timing(images: list[Dataset]) -> Dataset:
    image = enhanced(images)
    shared = image.SharedFunctionalGroupsSequence[0]
    for group in ("MRTimingAndRelatedParametersSequence", "MRModifierSequence", "PixelMeasuresSequence"):
        delattr(shared, group)
    return image


@pytest.mark.parametrize("per_frame", [False, True])
@pytest.mark.parametrize("group", GROUPS)
def test_any_functional_group_is_read_in_shared_and_per_frame_form(group, per_frame):
    image = without_timing(make_series(3))
    items = image.PerFrameFunctionalGroupsSequence if per_frame else image.SharedFunctionalGroupsSequence
    for item in items:
        setattr(item, group, Items([make_item(**GROUPS[group])]))
    for frame in read_study(named([image])).frames:
        for keyword, value in GROUPS[group].items():
            values = value if isinstance(value, list) else [value]
            assert frame.header.values[CLASSIC.get(keyword, keyword)] == tuple(values)


def test_a_frames_own_values_go_over_shared_ones_over_the_instances():
    image = without_timing(make_series(3))
    image.EchoTime, image.RepetitionTime = 1, 1
    image.SharedFunctionalGroupsSequence[0].UnassignedSharedConvertedAttributesSequence = Items(
        [make_item(RepetitionTime=2, EchoTime=2)]
    )
    image.PerFrameFunctionalGroupsSequence[1].UnassignedPerFrameConvertedAttributesSequence = Items(
        [make_item(RepetitionTime=3, EchoTime=3)]
    )
    headers = [frame.header for frame in read_study(named([image])).frames]
    assert [header.number("RepetitionTime") for header in headers] == [2, 3, 2]
    # A group made for the attribute goes over what a converter left unassigned.
    assert [header.number("EchoTime") for header in headers] == [35, 35, 35]


def test_what_groups_say_of_other_images_is_not_the_frames_own():
    image = enhanced(make_series(3))
    other = make_item(SOPInstanceUID="9.9", SeriesInstanceUID="9.9", EchoTime=99, Rows=1, BitsStored=1)
    for item in image.PerFrameFunctionalGroupsSequence:
        item.ConversionSourceAttributesSequence = Items([make_item(SOPInstanceUID="9.9", ReferencedFrameNumber=1)])
        item.DerivationImageSequence = Items([make_item(SourceImageSequence=other)])
        block = item.private_block(0x2005, "MADE UP", create=True)
        block.add_new(0x0F, "SQ", Items([other]))
    for frame in read_study(named([image])).frames:
        assert (frame.sop_uid, frame.header.text("SOPInstanceUID")) == (image.SOPInstanceUID,) * 2
        assert frame.header.number("EchoTime") == 35
        assert (frame.header.number("Rows"), frame.pixels.bits_stored) == (40, 16)


def test_shared_groups_alone_are_read():
    image = enhanced(make_series(1))
    image.SharedFunctionalGroupsSequence[0].update(image.PerFrameFunctionalGroupsSequence[0])
    del image.PerFrameFunctionalGroupsSequence
    assert read_one(encode(image)).header.number("EchoTime") == 35


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "attributes",
    [
        {"ScanOptions": "FS"},
        {"ScanOptions": "X", "InversionTime": 160, "ScanningSequence": ["SE", "IR"]},
        {"ScanOptions": "FATSAT", "MagneticFieldStrength": 3, "Laterality": "L"},
        {"ScanOptions": "X", "SeriesDescription": "T1 SAG", "RepetitionTime": 500, "EchoTime": 12},
    ],
)
def test_a_series_converted_by_highdicom_says_what_it_said_before(attributes):
    """PS3.3 A.71: a converter that knows no group for an attribute leaves it unassigned."""
    from highdicom.legacy import LegacyConvertedEnhancedMRImage

    classic = [for_conversion(image) for image in make_series(9, **{"RepetitionTime": 3000, **attributes})]
    converting = LegacyConvertedEnhancedMRImage(classic, "2.25.77.5", 5, "2.25.77.5.1", 1)
    with closing(converting._db_con):  # highdicom doesn't close its database
        converted = Dataset(converting)
    before, after = load_study(named(classic)).volume, load_study(named([converted])).volume
    assert after.acquisition == before.acquisition
    assert (after.laterality, after.spacing_mm) == (before.laterality, before.spacing_mm)
    np.testing.assert_array_equal(after.voxels, before.voxels)


def for_conversion(image: Dataset) -> Dataset:
    """With what highdicom demands."""
    empty = ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "ReferringPhysicianName")
    for keyword in (*empty, "PositionReferenceIndicator"):
        setattr(image, keyword, "")
    image.StudyDate = image.AcquisitionDate = "20200101"
    image.StudyTime = image.AcquisitionTime = "101010"
    image.Manufacturer, image.PatientPosition, image.FrameOfReferenceUID = "X", "HFS", "2.25.77.99"
    image.SeriesNumber, image.SliceThickness = 1, 3
    image.file_meta = read_meta()
    return image


def read_meta() -> Dataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def test_damaged_functional_groups_name_the_file():
    image = enhanced(make_series(3))
    image.PerFrameFunctionalGroupsSequence.pop()
    with pytest.raises(MalformedInput, match="g: 2 items in PerFrameFunctionalGroupsSequence for 3 frames"):
        read_study(uploads({"g": encode(image)}))
