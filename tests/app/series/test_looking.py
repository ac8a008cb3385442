"""A series is read for people in a process that may be taken over; what it says is checked."""

import numpy as np
import pytest
from pydantic import ValidationError
from werkzeug.exceptions import NotFound

from app.series.looking import Seen, look
from app.store.database import Database, sqlite_url
from app.store.instances import Instances
from data_prep.errors import InputOverLimit, MalformedInput, UnsuitableStudy
from data_prep.selection.series import load_study
from data_prep.volume import Acquisition
from tests.app.api.test_series import changed
from tests.app.studies import instances, voxels
from tests.data_prep.dicom_factory import uploads

SAID = {
    "part": 0,
    "parts": [{"shape": [2, 3, 4], "plane": "axial"}],
    "not_read": 0,
    "spacing_mm": [1.0, 1.0, 1.0],
    "directions": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "positions_mm": [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
    "acquisition": Acquisition().__dict__,
}


@pytest.fixture
def held(tmp_path) -> Instances:
    return Instances(tmp_path / "instances", Database(sqlite_url(tmp_path / "service.db")))


def receive(held: Instances, files: list[bytes]) -> None:
    assert {one.reason for one in held.receive([("part", content) for content in files])} == {None}


def validated(**changes) -> Seen:
    return Seen.model_validate_json(Seen.model_construct(**SAID | changes).model_dump_json(warnings=False))


def test_what_fits_is_taken():
    assert validated().shape == (2, 3, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"part": 1},
        {"part": -1},
        {"parts": []},
        {"parts": [{"shape": [3, 3, 4], "plane": "axial"}]},  # three images, two positions
        {"parts": [{"shape": [0, 3, 4], "plane": "axial"}]},
        {"parts": [{"shape": [2, 3, 4], "plane": "<img onerror>"}]},
        {"parts": [{"shape": [2, 3, 4], "plane": None}] * 201},
        {"positions_mm": [[0.0, 0.0, 0.0]]},
        {"spacing_mm": [1.0, 1.0]},
        {"not_read": "many"},
    ],
)
def test_what_doesnt_fit_is_refused(changes):
    with pytest.raises(ValidationError):
        validated(**changes)


def test_only_the_series_that_is_asked_for_is_read(held):
    receive(held, instances(voxels(1)) + instances(voxels(2)[:3], series="2.25.9"))
    seen, planes = look(held, "2.25.7", "2.25.9")
    assert (seen.shape, seen.not_read) == (planes.shape, 0)
    assert sorted(plane.sum() for plane in planes) == sorted(np.float32(plane.sum()) for plane in voxels(2)[:3])


def test_an_image_that_cant_be_decoded_is_no_blank(held):
    """The series is refused: a reader could take the blank for what is there."""
    files = instances(voxels(1)[:4])
    receive(held, [*files[:3], changed(files[3], RescaleSlope=0)])
    with pytest.raises(UnsuitableStudy, match="1 of 4 slices can't be decoded"):
        look(held, "2.25.7", "2.25.8")


def test_images_that_cant_be_read_are_counted(held):
    files = instances(voxels(1)[:4])
    receive(held, [*files[:3], changed(files[3], Rows=0)])
    seen, _ = look(held, "2.25.7", "2.25.8")
    assert (seen.shape[0], seen.not_read) == (3, 1)


def test_a_series_without_any_image_that_can_be_read_is_refused_with_the_reason(held):
    receive(held, [changed(one, Rows=0) for one in instances(voxels(1)[:2])])
    with pytest.raises(MalformedInput, match="Rows"):
        look(held, "2.25.7", "2.25.8")


def test_a_series_that_is_gone_is_no_fault(held):
    receive(held, instances(voxels(1)))
    held.delete_study("2.25.7")
    with pytest.raises(NotFound, match="doesn't hold this series"):
        look(held, "2.25.7", "2.25.8")


@pytest.mark.slow
def test_more_images_than_anyone_looks_through_are_refused(held):
    receive(held, instances(np.zeros((513, 8, 8), np.uint16)))
    with pytest.raises(InputOverLimit, match="513 images of 8 x 8 pixels"):
        look(held, "2.25.7", "2.25.8")


@pytest.mark.slow
def test_the_echoes_of_a_real_knee_are_its_parts(held, real_knee):
    """GE MR750, 24 places, 8 echoes, big endian: a part is what would be predicted on."""
    assert {one.reason for one in held.receive(list(real_knee.items()))} == {None}
    row = next(held.find())
    chosen = load_study(uploads(real_knee)).volume
    found = [look(held, row.study_uid, row.series_uid, part) for part in range(8)]
    assert {(len(one.seen.parts), one.seen.shape) for one in found} == {(8, chosen.shape)}
    (same,) = [one for one in found if np.array_equal(one.voxels, chosen.voxels)]
    np.testing.assert_allclose(same.seen.positions_mm, chosen.positions_mm)
    assert same.seen.spacing_mm == pytest.approx(chosen.spacing_mm)
