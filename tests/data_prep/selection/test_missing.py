"""Slices that are missing at an end, or every second one: the answer says so."""

import pytest

from data_prep.selection.missing import announced
from data_prep.selection.series import load_study
from tests.data_prep.dicom_factory import enhanced, make_series, named
from tests.data_prep.selection.choosing import T1, load, notices


@pytest.mark.parametrize("keyword", ["NumberOfSeriesRelatedInstances", "ImagesInAcquisition"])
def test_fewer_images_than_the_headers_name(keyword):
    images = make_series(slices=12, **{keyword: 19})
    told = notices(load(images))["missing-slices"]
    assert "the headers name 19 images in this series, and 12 are here" in told
    assert "missing-slices" not in notices(load(make_series(slices=12, **{keyword: 12})))


def test_one_header_that_names_them_is_enough():
    images = make_series(slices=12)
    images[3].ImagesInAcquisition = 19
    assert "missing-slices" in notices(load(images))


def test_the_images_of_other_stacks_of_the_series_count():
    """24 positions x 8 echoes are one acquisition of 192 images."""
    first = make_series(slices=8, EchoTime=20, EchoNumbers=1, ImagesInAcquisition=16)
    second = make_series(slices=8, EchoTime=40, EchoNumbers=2, ImagesInAcquisition=16)
    for number, image in enumerate(second, start=100):
        image.SOPInstanceUID = f"2.25.77.1.{number}"
    assert "missing-slices" not in notices(load(first, second))


def test_what_another_series_lacks_is_not_told_of_this_one():
    assert "missing-slices" not in notices(load(make_series(), make_series(series=2, ImagesInAcquisition=30, **T1)))


def test_frames_of_an_enhanced_instance_are_not_counted():
    selection = load_study(named([enhanced(make_series(slices=12, ImagesInAcquisition=19))]))
    assert "missing-slices" not in notices(selection)


@pytest.mark.parametrize(("made", "told"), [({"1.2.3.4": 13}, True), ({"1.2.3.4": 12}, False), ({"1.2": 13}, False)])
def test_fewer_images_than_the_modality_has_made(made, told):
    images = make_series(slices=12)
    for image in images:
        image.SeriesInstanceUID = "1.2.3.4"
    notice = notices(load_study(named(images), performed=made)).get("missing-slices", "")
    assert ("the modality made 13 images of this series, and 12 are here" in notice) == told


def test_an_enhanced_instance_is_one_image_that_was_made():
    study = named([enhanced(make_series(slices=12))])
    uid = load_study(study).volume.series_uid
    assert "missing-slices" not in notices(load_study(study, performed={uid: 1}))
    assert "missing-slices" in notices(load_study(study, performed={uid: 2}))


@pytest.mark.parametrize(
    ("spacing", "thickness", "told"),
    [
        (3.0, 2.5, False),
        (1.5, 1.4, True),  # every second one
        (1.0, 1.0, True),  # two of three
        (1.4, 1.4, False),  # not a multiple
        (0.5, 2.5, False),  # a gap of 0.5 mm between slices of 2.5 mm
        (1.5, None, False),  # not known, and it may be a gap
        (None, 3.0, False),
        (0.0, 0.0, False),
    ],
)
def test_slices_two_or_more_steps_apart(spacing, thickness, told):
    given = {"SpacingBetweenSlices": spacing, "SliceThickness": thickness}
    images = make_series(slices=12, **{keyword: value for keyword, value in given.items() if value is not None})
    assert ("missing-slices" in notices(load(images))) is told


def test_numbers_that_cannot_be_right_announce_nothing():
    assert announced([None, -5, 0, 1e300, float("inf"), float("nan")]) == 0
    assert announced([None, 12.0, 19.0]) == 19
