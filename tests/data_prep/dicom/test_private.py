"""Private attributes tell what an image is, in the blocks that their creators have reserved and nowhere else."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from data_prep.errors import UnsuitableStudy
from data_prep.selection.kind import Kind, find
from data_prep.selection.series import load_study
from tests.data_prep.dicom_factory import encode, enhanced, make_item, make_series, make_slice, named, read_one, uploads

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def put(dataset: Dataset, group: int, creator: str, low: int, vr: str, value: object) -> None:
    dataset.private_block(group, creator, create=True).add_new(low, vr, value)


def kind_of(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Kind:
    return find(read_one(encode(dataset, syntax)).header).kind


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("number", "kind"), [(0, Kind.ANATOMY), (1, Kind.PHASE), (2, Kind.REAL), (3, Kind.IMAGINARY)])
def test_ges_number_for_magnitude_phase_real_and_imaginary(number, kind, syntax):
    image = make_slice(ImageType=["ORIGINAL", "PRIMARY", "OTHER"])
    put(image, 0x0043, "GEMS_PARM_01", 0x2F, "SS", number)
    assert kind_of(image, syntax) is kind


@pytest.mark.parametrize("syntax", SYNTAXES[:2])
@pytest.mark.parametrize(
    ("group", "creator", "low", "vr", "value", "kind"),
    [
        (0x0051, "SIEMENS MR HEADER", 0x16, "LO", "p2 M/ND", Kind.ANATOMY),
        (0x0051, "SIEMENS MR HEADER", 0x16, "LO", "M/NORM/DIS2D", Kind.ANATOMY),
        (0x0051, "SIEMENS MR HEADER", 0x16, "LO", "P/ND", Kind.PHASE),
        (0x0051, "SIEMENS MR HEADER", 0x16, "LO", "DIXON/FAT/ND", Kind.FAT),
        (
            0x0021,
            "SIEMENS MR SDI 02",
            0x75,
            "CS",
            ["ORIGINAL", "PRIMARY", "M", "DRG", "NORM", "DRS", "DIS2D"],
            Kind.ANATOMY,
        ),
        (0x0021, "SIEMENS MR SDI 02", 0x75, "CS", ["DERIVED", "PRIMARY", "M", "ND", "MIP"], Kind.PROJECTION),
        (0x2005, "Philips MR Imaging DD 001", 0x11, "CS", "M", Kind.ANATOMY),
        (0x2005, "Philips MR Imaging DD 001", 0x11, "CS", "W", Kind.WATER),
        (0x2005, "Philips MR Imaging DD 001", 0x11, "CS", "OP", Kind.OPPOSED_PHASE),
    ],
)
def test_copies_of_image_type(group, creator, low, vr, value, kind, syntax):
    image = make_slice()
    put(image, group, creator, low, vr, value)
    assert kind_of(image, syntax) is kind


@pytest.mark.parametrize("creator", ["ACME 01", "GEMS_PARM_02", ""])
def test_the_same_number_of_another_creator_means_nothing(creator):
    image = make_slice()
    image.add_new(0x00430010, "LO", creator)
    image.add_new(0x0043102F, "SS", 1)
    assert kind_of(image) is Kind.ANATOMY


def test_a_block_may_lie_elsewhere():
    image = make_slice()
    put(image, 0x0043, "ACME 01", 0x2F, "SS", 2)
    put(image, 0x0043, "GEMS_PARM_01", 0x2F, "SS", 1)
    assert image[0x0043112F].value == 1
    assert kind_of(image) is Kind.PHASE


def test_hitachi_says_fat_suppression_in_private():
    images = make_series(10, ScanOptions="", SeriesDescription="")
    for image in images:
        put(image, 0x0029, "MMCPrivate", 0x7E, "CS", "FAT")
    assert load_study(named(images)).volume.acquisition.fat_suppressed is True


def philips(images: list[Dataset], part: str) -> Dataset:
    """An enhanced image whose frames tell their type in the private copy of the classic attributes alone."""
    image = enhanced(images)
    for frame in image.PerFrameFunctionalGroupsSequence:
        classic = make_item(ImageType=["DERIVED", "PRIMARY", part, part, "DERIVED"])
        put(frame, 0x2005, "Philips MR Imaging DD 005", 0x0F, "SQ", Items([classic]))
    return image


@pytest.mark.parametrize("syntax", SYNTAXES[:2])
def test_the_classic_attributes_within_a_philips_frame(syntax):
    water = encode(philips(make_series(10), "W"), syntax)
    fat = encode(philips(make_series(10, series=2), "F"), syntax)
    chosen = load_study(uploads({"water": water, "fat": fat}))
    assert chosen.volume.acquisition.kind == "water"
    assert [one.reason for one in chosen.passed_over] == ["fat image"]


def test_the_private_part_of_a_siemens_frame():
    image = enhanced(make_series(10))
    for frame in image.PerFrameFunctionalGroupsSequence:
        inner = Dataset()
        put(inner, 0x0021, "SIEMENS MR SDI 02", 0x75, "CS", ["DERIVED", "PRIMARY", "DIXON", "FAT"])
        put(frame, 0x0021, "SIEMENS MR SDI 02", 0xFE, "SQ", Items([inner]))
    with pytest.raises(UnsuitableStudy, match="fat image"):
        load_study(named([image]))


@pytest.mark.parametrize("value", [b"\xff\xfe\x00", b"", b"\\" * 30])
def test_garbage_in_private_attributes_says_nothing(value):
    image = make_slice()
    put(image, 0x0051, "SIEMENS MR HEADER", 0x16, "UN", value)
    put(image, 0x2005, "Philips MR Imaging DD 005", 0x0F, "UN", value)
    put(image, 0x0043, "GEMS_PARM_01", 0x2F, "UN", value)
    assert kind_of(image) in (Kind.ANATOMY, Kind.PHASE)
