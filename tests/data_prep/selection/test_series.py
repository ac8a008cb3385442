"""Frames to one volume: the right slices in the right order, and a sentence for everything else."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset

from data_prep.errors import UnsuitableStudy, UnsupportedInput
from data_prep.selection.series import Selection, load_study
from tests.data_prep.dicom_factory import (
    AXIAL,
    CORONAL,
    encode,
    encode_codestreams,
    enhanced,
    make_series,
    make_slice,
    named,
    uploads,
    zipped,
)


def load(*series: list[Dataset]) -> Selection:
    return load_study(named(image for images in series for image in images))


def stored(images: list[Dataset]) -> np.ndarray:
    return np.stack([np.frombuffer(one.PixelData, "<u2").reshape(one.Rows, one.Columns) for one in images])


def reasons(selection: Selection) -> dict[str, str]:
    return {one.series_uid: one.reason for one in selection.passed_over}


def echoes(times: list[float], slices: int = 8) -> list[Dataset]:
    return [
        make_slice(number + 100 * place, EchoTime=time, ImagePositionPatient=[3.0 * number, 0.0, 0.0])
        for place, time in enumerate(times)
        for number in range(1, slices + 1)
    ]


def asked(uid: str, *series: list[Dataset], **options) -> Selection:
    return load_study(named(image for images in series for image in images), series=[uid], **options)


def test_slices_positions_spacing_and_facts():
    images = make_series(PixelSpacing=[0.5, 0.25], Laterality="R", MagneticFieldStrength=1.5, Manufacturer="Acme")
    volume = load(images).volume
    np.testing.assert_array_equal(volume.voxels, stored(images))
    assert volume.voxels.dtype == np.float32
    assert volume.spacing_mm == (3.0, 0.5, 0.25)
    np.testing.assert_allclose(volume.positions_mm[:, 0], -3.0 * np.arange(8))
    np.testing.assert_allclose(volume.normal, [-1, 0, 0])
    assert volume.laterality == "R"
    assert (volume.acquisition.fat_suppressed, volume.acquisition.field_strength_t) == (True, 1.5)
    assert volume.sop_uids == tuple(image.SOPInstanceUID for image in images)


@given(st.permutations(range(8)), st.permutations("abcdefgh"))
@settings(max_examples=25)
def test_order_and_names_of_files_change_nothing(order, names):
    images = make_series()
    files = {name: encode(images[place]) for name, place in zip(names, order, strict=True)}
    expected = load(images).volume.digest()
    assert load_study(uploads(files)).volume.digest() == expected
    assert load_study(uploads({"study.zip": zipped(files)})).volume.digest() == expected


def test_positions_beat_instance_numbers():
    images = make_series()
    for image in images:
        image.InstanceNumber = 9 - image.InstanceNumber
    np.testing.assert_array_equal(load(images).volume.voxels, stored(images))


def test_reversed_normal_reverses_the_order():
    images = make_series()
    for image in images:
        image.ImageOrientationPatient = [0.0, -1.0, 0.0, 0.0, 0.0, -1.0]
    np.testing.assert_array_equal(load(images).volume.voxels, stored(images)[::-1])


def test_oblique_slices_are_measured_along_their_normal():
    turn = np.deg2rad(30)
    oblique = [-float(np.sin(turn)), float(np.cos(turn)), 0.0, 0.0, 0.0, -1.0]
    images = make_series(ImageOrientationPatient=oblique)
    volume = load(images).volume
    np.testing.assert_allclose(volume.spacing_mm[0], 3.0)
    np.testing.assert_array_equal(volume.voxels, stored(images))


def test_without_positions_unique_numbers_order_the_slices():
    images = make_series(ImagePositionPatient=None, SpacingBetweenSlices=4.0)
    volume = load(images[::-1]).volume
    np.testing.assert_array_equal(volume.voxels, stored(images))
    assert volume.spacing_mm[0] == 4.0
    for image in images[:2]:
        image.InstanceNumber = 5
    with pytest.raises(UnsuitableStudy, match="positions are missing"):
        load(images)


def test_enhanced_multiframe_is_the_same_volume_as_classic_slices():
    images = make_series(RescaleSlope=0.5, RescaleIntercept=-1.5)
    classic = load(images).volume
    multi = load([enhanced(images[::-1])]).volume
    np.testing.assert_array_equal(multi.voxels, classic.voxels)
    np.testing.assert_array_equal(multi.positions_mm, classic.positions_mm)
    assert (multi.spacing_mm, multi.acquisition) == (classic.spacing_mm, classic.acquisition)
    assert set(multi.sop_uids) == {images[-1].SOPInstanceUID}


def test_of_several_echoes_the_one_nearest_to_intermediate_weighting():
    images = echoes([10.0, 30.0, 80.0])
    selection = load(images)
    assert selection.volume.acquisition.echo_time_ms == 30.0
    np.testing.assert_array_equal(selection.volume.voxels, stored(images)[15:7:-1])
    assert {one.reason for one in selection.passed_over} == {
        "echo 1 of 3 (TE 10.0 ms): echo 2 (TE 30.0 ms) is nearer to 35 ms",
        "echo 3 of 3 (TE 80.0 ms): echo 2 (TE 30.0 ms) is nearer to 35 ms",
    }


def test_of_several_time_points_the_first():
    later = make_series(TemporalPositionIdentifier=2)
    for image in later:
        image.SOPInstanceUID += ".2"
    first = make_series(TemporalPositionIdentifier=1)
    selection = load(later, first)
    assert selection.volume.sop_uids == tuple(image.SOPInstanceUID for image in first)
    assert [one.reason for one in selection.passed_over] == ["time point 2: the first is chosen"]


def test_slightly_different_echo_times_without_repeated_positions_stay_one_volume():
    images = make_series()
    for place, image in enumerate(images):
        image.EchoTime = 35 + 0.001 * place
    assert load(images).volume.shape[0] == 8


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"ImageOrientationPatient": list(AXIAL)}, "plane is axial"),
        ({"ImageOrientationPatient": list(CORONAL)}, "plane is coronal"),
        ({"RepetitionTime": 500}, r"not fluid-sensitive \(TR 500 ms\)"),
        ({"ScanOptions": ["FAST_GEMS"]}, "not fat-suppressed"),
        ({"slices": 7}, "only 7 slices"),
        ({"slices": 8}, "8 slices; series 2.25.77.1 has 9"),
        ({"slices": 9, "PixelSpacing": [0.75, 0.75]}, "pixels of 0.75 mm"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "secondary image"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, "derived"),
        ({"SOPClassUID": uid.SecondaryCaptureImageStorage}, "secondary capture"),
        ({"Modality": "CT"}, "modality is CT"),
        ({"Modality": "QUIBBLE ZEBEDEE"}, "^modality is none of DICOM's$"),
        ({"Modality": "mr"}, "^modality is none of DICOM's$"),
        ({"Modality": ""}, "^modality is missing$"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"ImageOrientationPatient": [1.0, 0, 0, 1.0, 0, 0]}, "perpendicular"),
        ({"ImagePositionPatient": [1.0, 2.0]}, "ImagePositionPatient isn't 3 numbers"),
        ({"PixelSpacing": None}, "no PixelSpacing"),
        ({"slices": 9}, "as good as"),
    ],
)
def test_each_other_series_is_passed_over_with_its_reason(attributes, says):
    selection = load(make_series(series=2, **{"slices": 10, **attributes}), make_series(9))
    assert selection.volume.series_uid == "2.25.77.1"
    assert list(reasons(selection)) == ["2.25.77.2"]
    assert re.search(says, reasons(selection)["2.25.77.2"])


def test_three_planes_in_one_series_are_three_stacks():
    others = [make_series(10, series=1, ImageOrientationPatient=list(plane)) for plane in (AXIAL, CORONAL)]
    for place, images in enumerate(others):
        for image in images:
            image.SOPInstanceUID += f".{place + 1}"
    selection = load(make_series(9), *others)
    assert selection.volume.shape[0] == 9
    assert sorted(one.reason for one in selection.passed_over) == ["plane is axial", "plane is coronal"]


def without(images: list[Dataset], *places: int) -> list[Dataset]:
    return [image for place, image in enumerate(images) if place not in places]


@pytest.mark.parametrize(
    ("series", "says"),
    [
        ([make_series(Modality="CT")], "modality is CT.*Send one study with a sagittal MR series"),
        ([make_series(ImageOrientationPatient=list(AXIAL))], "plane is axial"),
        ([make_series(3)], "only 3 slices"),
        ([make_series(), make_series(series=2, PatientID="another")], "2 patients"),
        ([make_series(), make_series(series=2, StudyInstanceUID="2.25.78")], "2 studies"),
        ([make_series(Laterality="L"), make_series(series=2, Laterality="R")], "one knee at a time"),
        ([without(make_series(12), 5)], "slices 5 and 6 lie 6.00 mm apart where 3.00 mm is usual"),
    ],
    ids=["CT", "axial only", "three slices", "patients", "studies", "both knees", "missing slice"],
)
def test_unsuitable_studies_say_why(series, says):
    with pytest.raises(UnsuitableStudy, match=says):
        load(*series)


def test_an_undecodable_slice_is_named_and_never_blank():
    files = {f"{place}.dcm": encode(image) for place, image in enumerate(make_series())}
    broken = make_slice(3)
    files["2.dcm"] = encode_codestreams(broken, uid.JPEG2000Lossless, [b"\xff\x4f\xff\x51" + bytes(60)])
    with pytest.raises(UnsuitableStudy, match="1 of 8 slices can't be decoded") as caught:
        load_study(uploads(files))
    assert [problem.file for problem in caught.value.files] == ["2.dcm"]


def test_an_untaken_transfer_syntax_matters_only_in_the_chosen_series():
    odd = [encode_codestreams(image, uid.MPEG2MPML, [b"\0\0\1\xb3"]) for image in make_series(series=2)]
    films = {f"film{place}": content for place, content in enumerate(odd)}
    files = films | {f"{place}": encode(image) for place, image in enumerate(make_series(9))}
    assert load_study(uploads(files)).volume.series_uid == "2.25.77.1"
    with pytest.raises(UnsupportedInput, match="MPEG2"):
        load_study(uploads(films))


@pytest.mark.real_knee
def test_the_real_ge_series_is_one_volume_of_one_echo(real_knee):
    selection = load_study(uploads(real_knee))
    volume = selection.volume
    assert volume.shape == (24, 256, 256)
    np.testing.assert_allclose(volume.spacing_mm, (4.0, 0.625, 0.625), atol=1e-4)
    assert (np.diff(volume.positions_mm @ volume.normal) > 3.9).all()
    assert volume.laterality == "unknown"
    assert volume.acquisition.fat_suppressed is False
    assert volume.acquisition.echo_time_ms == pytest.approx(37.872)
    assert len(selection.passed_over) == 7
    assert all("is nearer to 35 ms" in one.reason for one in selection.passed_over)
    assert volume.voxels.min() == 0
    assert volume.voxels.max() == 7457


BEST, LESSER, OTHER = "2.25.77.1", "2.25.77.2", "2.25.77.3"
T1 = {"series": 2, "SeriesDescription": "T1 SAG", "EchoTime": 12, "RepetitionTime": 600, "ScanOptions": None}


def test_a_series_that_is_asked_for_is_predicted_on():
    """Although the service prefers another one, which it names; reasons against the others stay."""
    best, lesser, coronal = (
        make_series(),
        make_series(**T1),
        make_series(series=3, ImageOrientationPatient=list(CORONAL)),
    )
    assert load(best, lesser, coronal).volume.series_uid == BEST
    selection = asked(LESSER, best, lesser, coronal)
    assert (selection.volume.series_uid, selection.asked) == (LESSER, True)
    np.testing.assert_array_equal(selection.volume.voxels, stored(lesser))
    assert reasons(selection) == {BEST: "another series was asked for", OTHER: "plane is coronal"}
    (told,) = [one.message for one in selection.volume.notices if one.code == "series-requested"]
    assert told == f"Series {LESSER} was asked for. Otherwise, the service would have taken series {BEST}."


def test_a_series_that_is_asked_for_and_preferred_is_no_news():
    selection = asked(BEST, make_series(), make_series(**T1))
    assert selection.asked
    assert "series-requested" not in {one.code for one in selection.volume.notices}


@pytest.mark.parametrize(
    ("headers", "slices", "kind", "reason"),
    [
        ({"ImageOrientationPatient": list(AXIAL)}, 8, "wrong-plane", "plane is axial"),
        ({}, 5, "too-few-slices", "only 5 slices; at least 8 are needed"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, 8, "nothing-to-predict-on", "locali[sz]er"),
        ({"Modality": "CT"}, 8, "nothing-to-predict-on", "modality is CT"),
    ],
)
def test_the_same_checks_refuse_a_series_that_is_asked_for(headers, slices, kind, reason):
    with pytest.raises(UnsuitableStudy, match=reason) as refused:
        asked(LESSER, make_series(), make_series(slices, series=2, **headers))
    assert refused.value.kind == kind
    assert refused.value.detail.startswith(f"Series {LESSER} was asked for, and can't be predicted on: ")


def test_a_series_that_is_asked_for_with_a_gap_is_refused():
    other = make_series(14, series=2)
    with pytest.raises(UnsuitableStudy, match=rf"{LESSER}.*apart"):
        asked(LESSER, make_series(), other[:6] + other[8:])


def test_a_series_that_isnt_in_the_study_is_refused():
    with pytest.raises(UnsuitableStudy, match="the study has no such series"):
        asked(OTHER, make_series())


def test_a_series_shows_its_knee_and_the_other_knees_series_says_which():
    """Two knees and no side in any header: the place of one beside the other is enough, if one is asked for."""
    left, right = (make_series(9, series=number, FrameOfReferenceUID="2.25.5") for number in (1, 2))
    for images, x_mm in ((left, 60), (right, -60)):
        for image in images:
            image.ImagePositionPatient = [x_mm + image.ImagePositionPatient[0] + 12, 0, 0]
    with pytest.raises(UnsuitableStudy, match="two knees"):
        load(left, right)
    selection = asked(BEST, left, right)
    assert selection.volume.laterality == "L"
    told = {one.code: one.message for one in selection.volume.notices}
    assert (
        told["series-requested"] == f"Series {BEST} was asked for. Otherwise, the service would have refused the study."
    )
    with pytest.raises(UnsuitableStudy, match="right knee was asked for"):
        asked(BEST, left, right, laterality="R")
