"""How a series that can't be predicted on is looked through."""

import random

import numpy as np
import pytest

from app.series.parts import Part, parts_of
from data_prep.dicom.frames import read_study
from tests.data_prep.dicom_factory import AXIAL, CORONAL, make_series, make_slice, named


def parts(images) -> list[Part]:
    return parts_of(read_study(named(images)).frames)


def numbers(part: Part) -> list[int]:
    return [int(frame.sop_uid.split(".")[-1]) for frame in part.frames]


def scout() -> list:
    """A localiser: three planes in one series, of 5, 3 and 1 images."""
    planes = ((None, 5), (list(CORONAL), 3), (list(AXIAL), 1))
    images = []
    for place, (plane, count) in enumerate(planes):
        headers = {"ImageOrientationPatient": plane} if plane else {}
        for number in range(1, count + 1):
            images.append(make_slice(number, **headers))
            images[-1].SOPInstanceUID = f"2.25.77.1.{100 * place + number}"
    return images


def test_each_plane_is_a_part_the_largest_first():
    found = parts(scout())
    assert [(one.place.plane, len(one.frames)) for one in found] == [("sagittal", 5), ("coronal", 3), ("axial", 1)]
    assert numbers(found[1]) == [101, 102, 103]
    assert found[0].place.spacing_mm == (3.0, 0.5, 0.5)
    assert found[2].place.spacing_mm == (0.0, 0.5, 0.5)  # a single image
    np.testing.assert_allclose(found[1].place.directions, np.reshape(CORONAL, (2, 3)))
    assert found[1].place.positions_mm.shape == (3, 3)


def test_the_order_of_files_changes_nothing():
    images = scout()
    expected = [numbers(one) for one in parts(images)]
    random.Random(5).shuffle(images)
    assert [numbers(one) for one in parts(images)] == expected


@pytest.mark.parametrize(
    "missing",
    [
        {"PixelSpacing": None},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImagePositionPatient": None},
        {"PixelSpacing": [0.0, 0.0]},
    ],
)
def test_images_whose_place_isnt_known_are_in_order_of_their_numbers(missing):
    images = [make_slice(number, InstanceNumber=10 - number, **missing) for number in range(1, 5)]
    (found,) = parts(images)
    assert found.place is None
    assert numbers(found) == [4, 3, 2, 1]


def test_points_in_time_at_one_place_are_a_part():
    """Nothing but their numbers distinguishes them."""
    images = [make_slice(number, ImagePositionPatient=[0.0, 0.0, 0.0]) for number in (1, 2, 3)]
    (found,) = parts(images)
    assert numbers(found) == [1, 2, 3]
    assert found.place.spacing_mm[0] == 0.0


def test_a_radial_series_is_one_part():
    """More directions than a person would look through one by one."""
    images = []
    for number in range(1, 81):
        angle = np.pi * number / 81
        images.append(make_slice(number, ImageOrientationPatient=[0, 0, -1, np.sin(angle), np.cos(angle), 0]))
    (found,) = parts(images)
    assert (found.place, len(found.frames)) == (None, 80)


def test_parts_have_images_of_one_size():
    small = make_series(3)
    large = [make_slice(number, series=1, pixels=np.zeros((40, 30), np.uint16)) for number in (11, 12)]
    assert [one.shape for one in parts(small + large)] == [(3, *parts(small)[0].shape[1:]), (2, 40, 30)]
