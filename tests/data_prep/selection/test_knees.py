"""One knee or two, and which: by headers, by position, and by neither where they contradict each other."""

from copy import deepcopy

import numpy as np
import pytest
from pydicom.dataset import Dataset

from data_prep.errors import UnsuitableStudy
from data_prep.network_input.suitability import examine
from data_prep.selection.knees import BEYOND_MIDDLE_MM, KNEES_APART_MM, ONE_KNEE_MM
from data_prep.selection.series import Selection, load_study
from tests.data_prep.dicom_factory import CORONAL, enhanced, make_series, named, uploads

pytestmark = pytest.mark.slow

FRAME = {"FrameOfReferenceUID": "2.25.5"}
# Both knees one after the other, each moved to the scanner's middle.
MOVED = {"FrameOfReferenceUID": "2.25.6"}


def knee(series: int, left_mm: float, slices: int = 9, **attributes) -> list[Dataset]:
    """A sagittal series whose middle lies that far to the patient's left."""
    images = make_series(slices, series=series, **attributes)
    for image in images:
        x, y, z = (float(value) for value in image.ImagePositionPatient)
        image.ImagePositionPatient = [x + left_mm + 1.5 * (slices - 1), y, z]
    return images


def load(*series: list[Dataset], asked: str | None = None) -> Selection:
    return load_study(named(image for images in series for image in images), laterality=asked)


def codes(selection: Selection) -> set[str]:
    return {notice.code for notice in examine(selection.volume)} & {
        "laterality-contradicted",
        "laterality-by-position",
        "laterality-unconfirmed",
    }


TWO_KNEES = {
    "apart": knee(1, 120) + knee(2, -120),
    "apart, one frame of reference": knee(1, 60, **FRAME) + knee(2, -60, **FRAME),
    "a child's": knee(1, 45, 10) + knee(2, -45, 10),
    "spelt out": knee(1, 0, Laterality="LEFT") + knee(2, 0, Laterality="RIGHT"),
    "in German": knee(1, 0, ImageLaterality="LI") + knee(2, 0, ImageLaterality="RE"),
    "in Japanese": knee(1, 0, SeriesDescription="左膝 SAG", SpecificCharacterSet="ISO_IR 192")
    + knee(2, 0, SeriesDescription="右膝 SAG", SpecificCharacterSet="ISO_IR 192"),
    "by descriptions": knee(1, 0, SeriesDescription="KNEE LT") + knee(2, 0, ProtocolName="KNIE RE"),
    "one by a description": knee(1, 0, Laterality="L") + knee(2, 0, SeriesDescription="genou droit"),
    "one stack with a gap": knee(1, 120) + knee(1, -120),
    "two weightings": knee(1, 120) + knee(2, -120, ScanOptions=None, RepetitionTime=500),
    "turned against each other": knee(1, 120) + knee(1, -120, ImageOrientationPatient=[0.17365, 0.98481, 0, 0, 0, -1]),
}
# Within one series, SOPInstanceUIDs must differ.
for images in TWO_KNEES.values():
    for place, image in enumerate(images):
        image.SOPInstanceUID = f"2.25.9.{place + 1}"


@pytest.mark.parametrize("name", TWO_KNEES)
def test_two_knees_are_refused_with_how_to_ask(name):
    with pytest.raises(UnsuitableStudy, match="two knees") as caught:
        load(TWO_KNEES[name])
    assert caught.value.kind == "two-knees"
    assert "laterality" in caught.value.detail


@pytest.mark.parametrize(
    "images",
    [
        make_series(65),
        make_series(50, Laterality="B"),
        make_series(50, SeriesDescription="BOTH KNEES SAG"),
        [enhanced(make_series(80))],
    ],
)
def test_a_stack_wider_than_a_knee_is_refused(images):
    with pytest.raises(UnsuitableStudy, match="mm from side to side, but one knee is") as caught:
        load(images)
    assert caught.value.kind == "two-knees"


@pytest.mark.parametrize("slices", [8, 53])
def test_a_stack_over_one_knee_is_predicted_on(slices):
    assert load(make_series(slices)).volume.shape[0] == slices
    assert 3 * slices < ONE_KNEE_MM


def test_a_series_over_both_knees_beside_one_of_one_knee_costs_nothing():
    selection = load(make_series(70), knee(2, -100, Laterality="R"))
    assert (selection.volume.series_uid, selection.volume.laterality) == ("2.25.77.2", "R")
    assert "from side to side" in selection.passed_over[0].reason


def test_what_is_no_candidate_makes_no_second_knee():
    scout = knee(2, 150, 3, Laterality="L")
    coronal = make_series(9, series=3, ImageOrientationPatient=list(CORONAL), Laterality="L")
    selection = load(knee(1, -100, Laterality="R"), scout, coronal)
    assert (selection.volume.series_uid, selection.volume.laterality) == ("2.25.77.1", "R")


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("apart", {"L": 110, "R": -110}),
        ("one stack with a gap", {"L": 110, "R": -110}),
        ("apart, one frame of reference", {"L": 50, "R": -50}),
        ("two weightings", {"L": 110, "R": -110}),
        ("turned against each other", {"L": 110, "R": -80}),
    ],
)
def test_positions_tell_the_knee_that_is_asked_for(name, sides):
    for side, beyond in sides.items():
        selection = load(TWO_KNEES[name], asked=side)
        middle = selection.volume.positions_mm[:, 0].mean()
        assert (middle > beyond) if side == "L" else (middle < beyond)
        assert selection.volume.laterality == side
        assert codes(selection) == {"laterality-by-position"}
        other = "right" if side == "L" else "left"
        assert [one.reason for one in selection.passed_over] == [f"it shows the {other} knee"]


@pytest.mark.parametrize("name", ["spelt out", "in German", "in Japanese", "by descriptions", "one by a description"])
def test_headers_tell_the_knee_that_is_asked_for(name):
    chosen = {side: load(TWO_KNEES[name], asked=side) for side in ("L", "R")}
    assert {side: one.volume.series_uid for side, one in chosen.items()} == {"L": "2.25.77.1", "R": "2.25.77.2"}
    assert {side: one.volume.laterality for side, one in chosen.items()} == {"L": "L", "R": "R"}
    assert [codes(one) for one in chosen.values()] == [set(), set()]
    assert chosen["L"].volume.digest() != chosen["R"].volume.digest()


def test_a_silent_series_goes_with_the_knee_that_it_lies_in():
    left, right = knee(1, 100, RepetitionTime=500, Laterality="L", **FRAME), knee(2, -100, Laterality="R", **FRAME)
    better = knee(3, 95, **FRAME)
    selection = load(left, right, better, asked="L")
    assert (selection.volume.series_uid, selection.volume.laterality) == ("2.25.77.3", "L")
    assert codes(selection) == set()


def test_a_silent_series_in_another_frame_of_reference_is_nobodys():
    selection = load(
        knee(1, 0, Laterality="L", **FRAME), knee(2, 0, Laterality="R", **MOVED), knee(3, 0, 30), asked="L"
    )
    assert selection.volume.series_uid == "2.25.77.1"
    assert {one.series_uid: one.reason for one in selection.passed_over} == {
        "2.25.77.2": "it shows the right knee",
        "2.25.77.3": "it isn't known which knee it shows.",
    }


@pytest.mark.parametrize(
    ("images", "asked", "says"),
    [
        (knee(1, 0, Laterality="R"), "L", "left knee was asked for, but the study shows the right one"),
        (knee(1, 0, SeriesDescription="KNEE LT"), "R", "right knee was asked for, but the study shows the left one"),
        (knee(1, 120, **FRAME) + knee(2, -120, **MOVED), "L", "neither headers nor positions"),
        (knee(1, 120, Laterality="R") + knee(2, -120, Laterality="L"), "L", "isn't known"),
        (
            knee(1, 60, Laterality="R") + knee(2, -60, Laterality="L"),
            "R",
            "the right knee would lie further to the patient's left",
        ),
        (knee(1, -150, Laterality="L"), "L", "isn't known"),
        (knee(1, 150) + knee(2, 0) + knee(3, -150), "L", "neither headers nor positions"),
    ],
)
def test_the_knee_that_is_asked_for_has_to_be_there(images, asked, says):
    with pytest.raises(UnsuitableStudy, match=says) as caught:
        load(images, asked=asked)
    assert caught.value.kind in ("two-knees", "wrong-knee")


@pytest.mark.parametrize(
    "images",
    [
        knee(1, -150, Laterality="L"),
        knee(1, BEYOND_MIDDLE_MM + 1, Laterality="R"),
        knee(1, 150, SeriesDescription="KNEE RT"),
        knee(1, 0, Laterality="L", ProtocolName="KNIE RECHTS"),
        knee(1, 0, 10, ImageLaterality="L") + knee(1, -30, 10, ImageLaterality="R"),
        knee(1, 0, Laterality="B"),
    ],
)
def test_headers_that_contradict_geometry_or_each_other_leave_the_side_unknown(images):
    for place, image in enumerate(images):
        image.SOPInstanceUID = f"2.25.9.{place + 1}"
    selection = load(images)
    assert selection.volume.laterality == "unknown"
    assert codes(selection) == {"laterality-contradicted"}


@pytest.mark.parametrize("left_mm", [-150, -BEYOND_MIDDLE_MM, 0, BEYOND_MIDDLE_MM, 150])
def test_position_alone_names_no_side(left_mm):
    selection = load(knee(1, left_mm))
    assert selection.volume.laterality == "unknown"
    assert codes(selection) == set()
    asked = load(knee(1, left_mm), asked="L")
    assert asked.volume.laterality == "unknown"
    assert codes(asked) == {"laterality-unconfirmed"}


def test_a_knee_anywhere_near_the_middle_keeps_its_headers_side():
    for left_mm, side in ((-70, "L"), (70, "R"), (-150, "R"), (150, "L")):
        selection = load(knee(1, left_mm, Laterality=side))
        assert (selection.volume.laterality, codes(selection)) == (side, set())
        assert load(knee(1, left_mm, Laterality=side), asked=side).volume.digest() == selection.volume.digest()


def test_stacks_of_one_knee_may_lie_beside_each_other():
    apart = KNEES_APART_MM - 10
    assert load(knee(1, 0), knee(2, apart)).volume.shape[0] == 9


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_oblique_stacks_are_compared_by_their_middles(degrees):
    turn = np.deg2rad(degrees)
    oblique = [float(np.sin(turn)), float(np.cos(turn)), 0.0, 0.0, 0.0, -1.0]
    straight, turned = knee(1, 0), make_series(9, series=2, ImageOrientationPatient=oblique)
    middles = []
    for images in (straight, turned):
        ends = [np.array(image.ImagePositionPatient, float) for image in (images[0], images[-1])]
        across, down = np.array(images[0].ImageOrientationPatient, float).reshape(2, 3)
        middles.append(np.mean(ends, axis=0) + 0.25 * ((images[0].Columns - 1) * across + (images[0].Rows - 1) * down))
    for image in turned:
        image.ImagePositionPatient = [float(x) for x in image.ImagePositionPatient + middles[0] - middles[1]]
    assert load(straight, turned).volume.shape[0] == 9
    other = deepcopy(turned)
    for image in other:
        image.ImagePositionPatient[0] = float(image.ImagePositionPatient[0]) - 100
    with pytest.raises(UnsuitableStudy, match="100 mm apart"):
        load(straight, other)


@pytest.mark.real_knee
def test_the_real_knee_is_one_and_no_header_names_its_side(real_knee):
    selection = load_study(uploads(real_knee), laterality="R")
    assert codes(selection) == {"laterality-unconfirmed"}
