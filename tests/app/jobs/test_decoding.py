"""What travels from a decoder to the network. Whole batches are in test_batch."""

import numpy as np
import pytest

from app.contract.problems import Problem
from app.jobs.decoding import Parcel, Ready, decode, decoded, pack
from data_prep.network_input.recipe import Recipe
from data_prep.workers import Workers
from tests.app.studies import SLICES, study_zip

RECIPE, BUNDLE = Recipe((30.0, 40.0, 40.0), (24, 20)), "b" * 64


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.zip").write_bytes(study_zip())
    return tmp_path / "study.zip"


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def pixels(parcel: Parcel) -> tuple[int, int]:
    """How many of the study's own, and how many that the network sees, are in the parcel."""
    assert isinstance(parcel.outcome, Ready)
    return parcel.outcome.job.volume.voxels.size, parcel.outcome.prepared.slices.size


def test_a_study_is_prepared_as_its_recipe_says(study):
    ready = decode(study, BUNDLE, RECIPE)
    slices, footprint = RECIPE.apply(ready.job.volume)
    assert np.array_equal(ready.prepared.slices, slices)
    assert ready.prepared.footprint == footprint
    assert "fat-suppression-unknown" not in [notice.code for notice in ready.prepared.notices]
    assert ready.prepared.took_ms > 0


def test_a_parcel_holds_no_pixels_that_no_answer_needs(study, scratch):
    seen = decode(study, BUNDLE, RECIPE).prepared.slices.size
    assert pixels(pack(study, BUNDLE, RECIPE, None)) == (0, seen)
    by_file = pack(study, BUNDLE, RECIPE, scratch)
    assert pixels(by_file) == (0, 0)
    assert [by_file.slices] == list(scratch.iterdir())


def test_what_arrives_is_what_was_prepared(study, scratch):
    ((path, arrived),) = decoded([study], BUNDLE, RECIPE, Workers(2), scratch)
    here = decode(study, BUNDLE, RECIPE)
    assert path == study
    assert np.array_equal(arrived.prepared.slices, here.prepared.slices)
    assert (arrived.job.id, len(arrived.job.volume.sop_uids)) == (here.job.id, SLICES)
    assert list(scratch.iterdir()) == []


def test_what_cannot_be_judged_is_a_problem_of_its_study(tmp_path):
    (tmp_path / "text.zip").write_bytes(b"hello")
    assert isinstance(decode(tmp_path / "text.zip", BUNDLE, RECIPE), Problem)
