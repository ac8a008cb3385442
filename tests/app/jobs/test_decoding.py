"""What travels from a worker process to the network. Whole batches are in test_batch."""

import errno

import numpy as np
import pytest

from app.contract.problems import Problem
from app.jobs.decoding import Decoded, Needs, Parcel, decode, decoded, pack
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.network_input import NetworkInput
from data_prep.network_input.recipe import Recipe
from data_prep.workers import Workers
from tests.app.studies import SLICES, study_zip

BUNDLE = Needs("b" * 64, Recipe((30.0, 40.0, 40.0), (24, 20)), localises=False)
LOCALISING = BUNDLE._replace(localises=True)


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.zip").write_bytes(study_zip())
    return tmp_path / "study.zip"


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def alone(study) -> tuple[Decoded, Decoded]:
    """The study after both steps, and after the first."""
    job = decode(study, BUNDLE.sha256)
    coarse = Coarse.of(job.volume)
    return Decoded(job, NetworkInput.of(coarse, BUNDLE.recipe)), Decoded(job, coarse)


def pixels(parcel: Parcel) -> list[int]:
    """How many of the study's own, and how many that a network sees, are in the parcel."""
    assert isinstance(parcel.outcome, Decoded)
    step = parcel.outcome.step
    arrays = [step.slices] if isinstance(step, NetworkInput) else [step.voxels]
    return [parcel.outcome.job.volume.voxels.size, *(array.size for array in arrays)]


def test_a_parcel_holds_no_pixels_that_no_answer_needs(study, scratch):
    both, first = alone(study)
    assert pixels(pack(study, BUNDLE, None)) == [0, both.step.slices.size]
    assert pixels(pack(study, LOCALISING, None)) == [0, first.step.voxels.size]
    by_file = pack(study, BUNDLE, scratch)
    assert pixels(by_file) == [0, 0]
    assert [by_file.arrays] == list(scratch.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("needs", [BUNDLE, LOCALISING])
def test_what_arrives_is_what_was_decoded(study, scratch, needs):
    ((path, arrived),) = decoded([study], needs, Workers(2), scratch)
    here = alone(study)[needs.localises]
    assert path == study
    assert type(arrived.step) is type(here.step)
    for name in ("voxels",) if needs.localises else ("slices",):
        assert np.array_equal(getattr(arrived.step, name), getattr(here.step, name))
    assert arrived.step.notices == here.step.notices
    assert (arrived.job.id, len(arrived.job.volume.sop_uids)) == (here.job.id, SLICES)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "x"), OSError(errno.ENOSPC, "x"), MemoryError()])
def test_a_fault_of_the_machine_is_not_the_studys(study, monkeypatch, fault):
    monkeypatch.setattr("app.jobs.decoding.decode", lambda *_: _raise(fault))
    with pytest.raises(type(fault)):
        pack(study, BUNDLE, None)


def _raise(error: Exception):
    raise error


def test_a_disk_that_fails_under_a_zip_is_not_a_damaged_zip(study, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "x")

    monkeypatch.setattr("zipfile.ZipFile.open", fail)
    with pytest.raises(OSError, match="x"):
        pack(study, BUNDLE, None)


def test_a_file_that_cannot_be_read_is_a_problem_of_its_study(study, monkeypatch):
    monkeypatch.setattr("app.jobs.decoding.decode", lambda *_: _raise(PermissionError(errno.EACCES, "Not allowed")))
    problem = pack(study, BUNDLE, None).outcome
    assert (problem.status, problem.detail) == (422, "A file or folder of it can't be read (Not allowed).")


def test_what_cannot_be_predicted_is_a_problem_of_its_study(tmp_path):
    (tmp_path / "text.zip").write_bytes(b"hello")
    assert isinstance(pack(tmp_path / "text.zip", BUNDLE, None).outcome, Problem)
