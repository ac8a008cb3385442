"""One bad object beside a good series: passed over with its reason, and never a slice that is lost in silence."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset

from data_prep.errors import InputError, InputOverLimit, MalformedInput, UnsuitableStudy, UnsupportedInput
from data_prep.limits import Limits
from data_prep.notice import Notice
from data_prep.selection.series import PassedOver, Selection, load_study
from tests.data_prep.dicom_factory import (
    AXIAL,
    encode,
    encode_codestreams,
    encode_raw,
    enhanced,
    jpeg_2000,
    make_pixels,
    make_series,
    make_slice,
    uploads,
    zipped,
)

# pydicom warns of odd values; the service hears none of it.
pytestmark = pytest.mark.filterwarnings("ignore")

SCREENSHOT = {"SOPClassUID": uid.SecondaryCaptureImageStorage, "ImageType": ["DERIVED", "SECONDARY"]}
SCOUT = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
GOOD = {f"g{place}": encode(image) for place, image in enumerate(make_series(10))}
DIGEST = load_study(uploads(GOOD)).volume.digest()


def other(**attributes) -> Dataset:
    """An instance of another series of the study."""
    return make_slice(1, series=4, **attributes)


def with_broken_groups() -> bytes:
    image = enhanced(make_series(3, series=4))
    image.PerFrameFunctionalGroupsSequence.pop()
    return encode(image)


def damaged_header() -> bytes:
    content = bytearray(encode(other()))
    place = content.index(b"\x28\0\x10\0US")
    content[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    return bytes(content)


BAD: dict[str, Callable[[], bytes]] = {
    "screenshot with its bits at the top": lambda: encode(other(BitsStored=12, HighBit=15, **SCREENSHOT)),
    "screenshot whose HighBit can't be": lambda: encode(other(BitsStored=12, HighBit=3, **SCREENSHOT)),
    "screenshot without BitsAllocated": lambda: encode(other(BitsAllocated=None, **SCREENSHOT)),
    "screenshot of more bits than are allocated": lambda: encode(other(BitsStored=17, **SCREENSHOT)),
    "screenshot without Rows": lambda: encode(other(Rows=None, **SCREENSHOT)),
    "no rows at all": lambda: encode(other(Rows=0, **SCREENSHOT)),
    "MR without pixels": lambda: encode(other(PixelData=None)),
    "MR cut in its pixels": lambda: encode(other())[:-100],
    "MR cut in its header": lambda: encode(other())[:600],
    "MR cut before its UIDs": lambda: encode(other())[:200],
    "nothing but a preamble": lambda: bytes(128) + b"DICM",
    "an empty file": lambda: b"",
    "a damaged header": damaged_header,
    "UID with a letter": lambda: encode(other(SeriesInstanceUID="1.2.ANON.4")),
    "UID as a path": lambda: encode(other(SeriesInstanceUID="../../etc")),
    "UID too long": lambda: encode(other(SeriesInstanceUID="1." * 40 + "1")),
    "no series UID": lambda: encode(other(SeriesInstanceUID=None)),
    "no instance UID": lambda: encode(other(SOPInstanceUID="1.2.X")),
    "an unknown transfer syntax": lambda: encode_codestreams(other(), uid.MPEG2MPML, [b"\0\0\1\xb3"]),
    "a private transfer syntax": lambda: encode(other()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0"),
    "a video": lambda: encode_codestreams(
        other(NumberOfFrames=30_000, SOPClassUID=uid.VideoPhotographicImageStorage, Modality="XC"),
        uid.MPEG4HP41,
        [b"\0\0\1\xb3"],
    ),
    "a large X-ray": lambda: encode(other(Rows=5000, Columns=5000, Modality="DX", PixelData=bytes(100))),
    "a PDF": lambda: encode(other(SOPClassUID=uid.EncapsulatedPDFStorage, Modality="DOC", PixelData=None)),
    "a presentation state": lambda: encode(
        other(SOPClassUID=uid.GrayscaleSoftcopyPresentationStateStorage, Modality="PR", PixelData=None)
    ),
    "colour without SamplesPerPixel": lambda: encode(
        other(PhotometricInterpretation="RGB", SamplesPerPixel=None, **SCREENSHOT)
    ),
    "functional groups for fewer frames": with_broken_groups,
    "frames that aren't a number": lambda: encode_raw(other(), "NumberOfFrames", b"n/a", "IS"),
    "scout of a broken character set": lambda: encode_raw(other(**SCOUT), "SpecificCharacterSet", b"\0ISO_IR 10", "CS"),
    "fragments that are damaged": lambda: encode_codestreams(other(), uid.JPEG2000Lossless, [b"\xff\x4f"])[:-5],
    "a codestream that lies": lambda: encode_codestreams(
        other(), uid.JPEG2000Lossless, [jpeg_2000(make_pixels(64, 64))]
    ),
    "numbers that are none": lambda: encode_raw(other(), "ImagePositionPatient", b"a\\b\\c", "DS"),
    "a slope that is none": lambda: encode_raw(other(), "RescaleSlope", b"n/a", "DS"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_object_of_another_series_changes_nothing_and_is_reported(name):
    selection = load_study(uploads(GOOD | {"bad": BAD[name]()}))
    assert selection.volume.digest() == DIGEST
    silent = ("a PDF", "a presentation state", "nothing but a preamble")  # DICOM without an image
    assert bool(selection.passed_over) == (name not in silent)
    for one in selection.passed_over:
        assert one.series_uid or one.reason.startswith("1 file can't be read: ")
        assert "ANON" not in one.reason + one.series_uid  # what is no UID may be a name


def codes(selection: Selection) -> list[str]:
    return [notice.code for notice in selection.volume.notices]


@pytest.mark.parametrize(
    ("name", "noticed"),
    [
        ("an empty file", True),
        ("MR cut before its UIDs", True),
        ("UID with a letter", True),
        ("no series UID", True),
        ("MR cut in its header", False),
        ("MR without pixels", False),
        ("functional groups for fewer frames", False),
        ("no instance UID", False),
    ],
)
def test_a_file_that_may_have_been_a_slice_of_the_volume_is_noticed(name, noticed):
    selection = load_study(uploads(GOOD | {"bad": BAD[name]()}))
    assert ("files-not-read" in codes(selection)) == noticed


def test_a_notice_counts_files_and_names_none():
    files = {"Doe^Jane": b"", "Doe^Jane.2": BAD["UID with a letter"]()}
    (notice,) = load_study(uploads(GOOD | files)).volume.notices
    assert notice.message.startswith("2 files couldn't be read")
    assert "Doe" not in notice.message


def test_files_that_are_not_dicom_are_none_of_the_study_and_are_counted():
    others = {".nomedia": b"", "Doe^Jane.TXT": b"hello" * 40, "viewer.exe": b"MZ" + bytes(500)}
    selection = load_study(uploads(GOOD | others | {"state": BAD["a presentation state"]()}))
    assert (selection.volume.digest(), selection.passed_over) == (DIGEST, ())
    message = "Files beside the images were passed over: 2 not DICOM, 1 DICOM without an image."
    assert selection.volume.notices == (Notice("files-passed-over", message),)


def test_hidden_files_are_no_news():
    hidden = {".nomedia": b"", ".DS_Store": b"Bud1" * 40, "__MACOSX/._IM1": b"\0\5\x16\7" * 20}
    selection = load_study(uploads(GOOD | hidden))
    assert (selection.volume.digest(), codes(selection)) == (DIGEST, [])


def test_preambles_that_are_not_blank_are_counted():
    files = {name: bytes(content) for name, content in GOOD.items()}
    first = next(iter(files))
    files[first] = b"\x7fELF" + files[first][4:]
    selection = load_study(uploads(files))
    assert (selection.volume.digest(), selection.preambles, codes(selection)) == (DIGEST, 1, [])
    assert load_study(uploads(GOOD)).preambles == 0


def test_a_gap_tells_of_the_file_that_may_have_been_the_slice():
    files = dict(GOOD)
    lost = sorted(files)[4]
    files[lost] = BAD["UID with a letter"]()
    with pytest.raises(UnsuitableStudy, match=r"usual\. 1 file can't be read: .* isn't a UID\. Send") as caught:
        load_study(uploads(files))
    assert [problem.file for problem in caught.value.files] == [lost]


SLICE = make_slice(10)  # the last of the good series
OF_THE_SERIES: dict[str, Callable[[], bytes]] = {
    "cut in its pixels": lambda: encode(SLICE)[:-100],
    "cut in its header": lambda: encode(SLICE)[:700],
    "without pixels": lambda: encode(make_slice(10, PixelData=None)),
    "without BitsAllocated": lambda: encode(make_slice(10, BitsAllocated=None)),
    "without Rows": lambda: encode(make_slice(10, Rows=None)),
    "without an instance UID": lambda: encode(make_slice(10, SOPInstanceUID="1.2.X")),
    "of an unknown transfer syntax": lambda: encode_codestreams(SLICE, uid.MPEG2MPML, [b"\0\0\1\xb3"]),
    "whose codestream is cut": lambda: encode_codestreams(SLICE, uid.JPEG2000Lossless, [b"\xff\x4f\xff\x51" * 9]),
    "whose place is no number": lambda: encode_raw(SLICE, "ImagePositionPatient", b"n/a\\0\\0", "DS"),
    "whose place is ambiguous": lambda: encode_raw(SLICE, "ImagePositionPatient", b"-27,000\\0\\0", "DS"),
    "whose pixel spacing is one number": lambda: encode_raw(SLICE, "PixelSpacing", b"0.5", "DS"),
    "whose pixel spacing is no knee's": lambda: encode(make_slice(10, PixelSpacing=[0.006, 0.006])),
    "whose slope is no scanner's": lambda: encode(make_slice(10, RescaleSlope="1e308", RescaleIntercept=0)),
    "whose slope is no number": lambda: encode_raw(SLICE, "RescaleSlope", b"NaN", "DS"),
    "whose HighBit leaves bits below": lambda: encode(make_slice(10, BitsStored=12, HighBit=15)),
}


@pytest.mark.parametrize("name", OF_THE_SERIES)
def test_a_bad_slice_of_the_series_to_predict_on_refuses_the_study(name):
    """It is the last one, so that no gap tells of it."""
    files = GOOD | {"g9": OF_THE_SERIES[name]()}
    with pytest.raises((UnsuitableStudy, UnsupportedInput)) as caught:
        load_study(uploads(files))
    assert [problem.file for problem in caught.value.files] == ["g9"]


@pytest.mark.slow
def test_the_same_bad_slice_of_a_lesser_series_refuses_nothing():
    for make in OF_THE_SERIES.values():
        better = {f"b{place}": encode(image) for place, image in enumerate(make_series(14, series=2))}
        assert load_study(uploads(GOOD | {"g9": make()} | better)).volume.series_uid == "2.25.77.2"


def test_a_bad_object_of_the_series_that_is_no_slice_refuses_nothing():
    others = {
        "localizer": encode(make_slice(50, BitsAllocated=None, **SCOUT)),
        "screenshot": encode(make_slice(51, HighBit=3, **SCREENSHOT)),
        "axial": encode(make_slice(52, BitsAllocated=None, ImageOrientationPatient=list(AXIAL))),
    }
    assert load_study(uploads(GOOD | others)).volume.digest() == DIGEST


def test_a_broken_series_that_would_have_been_predicted_on_is_not_replaced_by_a_lesser_one():
    best = {f"b{place}": encode(image)[:-9] for place, image in enumerate(make_series(14, series=2))}
    lesser = {f"t{place}": encode(image) for place, image in enumerate(make_series(10, RepetitionTime=500))}
    with pytest.raises(MalformedInput, match="None of the 14 slices can be decoded") as caught:
        load_study(uploads(best | lesser))
    assert len(caught.value.files) == 14


@pytest.mark.parametrize("names", [("a", "z"), ("z", "a")])
def test_two_objects_under_one_uid_are_passed_over_or_refuse_their_series(names):
    """Whichever file comes first: neither is taken for the right one."""
    versions = [encode(other(pixels=make_pixels(seed=seed))) for seed in (1, 2)]
    selection = load_study(uploads(GOOD | dict(zip(names, versions, strict=True))))
    assert selection.volume.digest() == DIGEST
    assert selection.passed_over == (
        PassedOver("2.25.77.4", "1 file can't be read: Another file has the same SOPInstanceUID and differs."),
    )
    with pytest.raises(UnsuitableStudy, match="same SOPInstanceUID and differs"):
        load_study(uploads(GOOD | {names[0]: encode(make_slice(3, pixels=make_pixels(seed=5)))}))


def test_a_slice_that_was_encoded_again_is_the_same_slice():
    again = {
        "implicit": encode(make_slice(1), uid.ImplicitVRLittleEndian),
        "big": encode(make_slice(2), uid.ExplicitVRBigEndian),
        "deflated": encode(make_slice(3), uid.DeflatedExplicitVRLittleEndian),
        "jpeg 2000": encode_codestreams(make_slice(4), uid.JPEG2000Lossless, [jpeg_2000(make_pixels(seed=104))]),
        "another header": encode(make_slice(5, StationName="elsewhere")),
    }
    assert load_study(uploads(GOOD | again)).volume.digest() == DIGEST
    assert load_study(uploads(again | GOOD)).volume.digest() == DIGEST


def test_one_instance_uid_in_two_series_is_no_contradiction():
    odd = encode(other(SOPInstanceUID=make_slice(3).SOPInstanceUID, **SCOUT))
    assert load_study(uploads(GOOD | {"odd": odd})).volume.digest() == DIGEST


def test_a_damaged_member_of_a_zip_is_passed_over():
    archive = bytearray(zipped(GOOD | {"bad": encode(other())}, zipfile.ZIP_STORED))
    place = archive.rindex(other().PixelData[:64])
    archive[place] ^= 255  # its checksum isn't right any more
    selection = load_study([("study.zip", io.BytesIO(bytes(archive)))])
    assert selection.volume.digest() == DIGEST
    assert codes(selection) == ["files-not-read"]
    assert [one.reason for one in selection.passed_over] == ["1 file can't be read: It is damaged in the zip."]


def test_where_nothing_can_be_read_the_files_are_listed():
    files = {f"{place}": encode(image)[:400] for place, image in enumerate(make_series(3))}
    with pytest.raises(MalformedInput, match=r"None of the 3 files can be read\. The first: 0: ") as caught:
        load_study(uploads(files))
    assert [problem.file for problem in caught.value.files] == ["0", "1", "2"]
    with pytest.raises(UnsuitableStudy, match=r"Nothing to predict on .*3 files can't be read: There") as caught:
        load_study(uploads(files | {"scout": encode(other())}))
    assert len(caught.value.files) == 3


def test_an_object_beyond_the_limits_refuses_the_study_if_it_is_mr_and_alone_in_any_case():
    huge = {"Rows": 5000, "Columns": 5000, "PixelData": bytes(100)}
    with pytest.raises(InputOverLimit, match="5000 x 5000"):
        load_study(uploads(GOOD | {"huge": encode(other(**huge))}))
    with pytest.raises(InputOverLimit, match="5000 x 5000"):
        load_study(uploads({"film": encode(other(Modality="DX", **huge))}))
    films = {f"film{place}": encode(make_slice(place, series=4, Modality="DX")) for place in range(1, 30)}
    assert load_study(uploads(GOOD | films), Limits(frames=12)).volume.digest() == DIGEST


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_files_without_preamble_or_meta_information_are_read(syntax):
    """As pydicom (with force) and DCMTK read them."""
    for start in ("meta information", "data set"):
        bare = {}
        for place, image in enumerate(make_series(10)):
            content = encode(image, syntax)
            meta = 144 + int.from_bytes(content[140:144], "little")
            bare[f"{place}"] = content[132:] if start == "meta information" else content[meta:]
        assert load_study(uploads(bare)).volume.digest() == DIGEST
        assert load_study([("a.zip", io.BytesIO(zipped(bare)))]).volume.digest() == DIGEST


def test_a_data_set_in_another_encoding_than_it_says_is_read():
    explicit, implicit = (
        encode(make_slice(10), one) for one in (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
    )
    meta = {content: 144 + int.from_bytes(content[140:144], "little") for content in (explicit, implicit)}
    for head, body in ((explicit, implicit), (implicit, explicit)):
        assert load_study(uploads(GOOD | {"g9": head[: meta[head]] + body[meta[body] :]})).volume.digest() == DIGEST


def test_a_wrong_group_length_is_no_matter():
    content = bytearray(encode(make_slice(10)))
    content[140:144] = b"\x07\0\0\0"
    assert load_study(uploads(GOOD | {"g9": bytes(content)})).volume.digest() == DIGEST


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_of_an_object_outside_the_series_never_change_the_volume(data):
    """Nor of one within, without a word: then pixels differ only where that slice was changed."""
    image = other(Modality="MR") if data.draw(st.booleans()) else enhanced(make_series(3, series=4))
    content = bytearray(encode(image))
    header = content.index(b"\xe0\x7f\x10\0")
    for place in data.draw(st.lists(st.integers(132, header + 20), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        selection = load_study(uploads(GOOD | {"flipped": bytes(content)}))
    except InputError:
        return  # it may name another patient or study now, or the series to predict on
    np.testing.assert_array_equal(selection.volume.voxels, load_study(uploads(GOOD)).volume.voxels)
