"""What a process says of a study arrives unchanged; what can't be right is refused, whoever wrote it."""

import io
import json
import tempfile

import numpy as np
import pytest
from pydantic import ValidationError

from app.apart.pool import Pool
from app.jobs.decoding import decode
from app.jobs.reading import Reading, read_apart
from data_prep.errors import InputError, MalformedInput, UnsuitableStudy
from data_prep.selection.series import load_study
from tests.app.studies import study_zip

BUNDLE = "b" * 64


@pytest.fixture(scope="module")
def selection():
    return load_study([("study.zip", io.BytesIO(study_zip()))])


@pytest.fixture
def said(selection):
    """The JSON that a process sends, to be changed."""
    return json.loads(Reading.of(selection, 1.0).model_dump_json())


@pytest.fixture
def pixels(selection):
    with tempfile.TemporaryFile() as file:
        file.write(selection.volume.voxels.data)
        yield file


def received(said) -> Reading:
    return Reading.model_validate_json(json.dumps(said))


def test_a_reading_is_the_selection(selection, said, pixels):
    reading = received(said)
    volume = reading.volume(pixels)
    assert volume.digest() == selection.volume.digest()
    assert (volume.acquisition, volume.notices) == (selection.volume.acquisition, selection.volume.notices)
    assert reading.passed_over == selection.passed_over
    assert len(reading.origins) == len(volume.voxels)


@pytest.mark.slow
def test_a_study_that_is_read_apart_is_the_same_job():
    pool = Pool()
    with tempfile.SpooledTemporaryFile() as body:
        body.write(study_zip())
        body.seek(0)
        job = read_apart(pool, [("body", body)], BUNDLE)
    pool.close()
    here = decode([("body", io.BytesIO(study_zip()))], BUNDLE)
    assert (job.id, job.origins) == (here.id, here.origins)
    assert job.to_json() | {"decode_ms": 0} == here.to_json() | {"decode_ms": 0}


WRONG = {
    "a path as a UID": {"study_uid": "../../etc"},
    "a UID with a line break": {"study_uid": "1.2\n"},
    "a long UID": {"series_uid": "1" * 65},
    "infinite spacing": {"spacing_mm": [float("inf"), 1.0, 1.0]},
    "no slices": {"shape": [0, 32, 32]},
    "a fractional size": {"shape": [9.5, 32, 32]},
    "four axes": {"shape": [9, 32, 32, 1]},
    "half a direction": {"directions": [[1.0, 0.0, 0.0]]},
    "another side": {"laterality": "up"},
    "a notice that is code": {"notices": [{"code": {"a": 1}, "message": "b"}]},
    "a scanner that isn't text": {"acquisition": {"manufacturer": [1]}},
    "an attribute without a tag": {"origins": [{"PatientName": {"vr": "PN"}}]},
    "very many slices": {"sop_uids": ["1.2"] * 513},
    "something more": {"bundle": "b"},
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_right_is_refused(said, kind):
    with pytest.raises(ValidationError):
        received(said | WRONG[kind])


@pytest.mark.parametrize("kind", ["too few slices", "too few positions", "a huge volume", "no spacing"])
def test_parts_that_do_not_fit_are_refused(said, pixels, kind):
    change = {
        "too few slices": {"sop_uids": said["sop_uids"][1:]},
        "too few positions": {"positions_mm": said["positions_mm"][1:]},
        "a huge volume": {"shape": [1 << 40, 1 << 40, 1 << 40]},
        "no spacing": {"spacing_mm": [0.0, 0.0, 0.0]},
    }[kind]
    reading = received(said | change)
    with pytest.raises(InputError) as refused:
        reading.volume(pixels)
    assert isinstance(refused.value, UnsuitableStudy if kind in ("a huge volume", "no spacing") else MalformedInput)


@pytest.mark.parametrize("change", ["one byte less", "one byte more", "empty", "not a number", "infinity"])
def test_pixels_that_cannot_be_right_are_refused(said, pixels, change):
    length = pixels.seek(0, 2)
    lengths = {"one byte less": length - 1, "one byte more": length + 1, "empty": 0}
    pixels.truncate(lengths.get(change, length))
    if change not in lengths:
        pixels.seek(length - 4)
        pixels.write(np.float32("nan" if change == "not a number" else "inf").tobytes())
    with pytest.raises(MalformedInput, match="breaks the process"):
        received(said).volume(pixels)


def test_pixels_cannot_be_changed_or_cut_afterwards(selection, said, pixels):
    """The process may still have the file open. Reading a mapped file that was cut would end the service (SIGBUS)."""
    volume = received(said).volume(pixels)
    pixels.seek(0)
    pixels.write(b"\xff" * 100)
    pixels.flush()
    pixels.truncate(0)
    assert volume.digest() == selection.volume.digest()
