import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.prepare.fingerprint import exam_digest
from data_prep.tables.exams import Exam
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.files.manifest import BundleError
from models.seen import Seen
from tests.conftest import make_volume
from tests.models.conftest import PROVENANCE, RECIPE, tiny_mrnet

EXAMS = [Exam(f"ACC-{number}", f"p{number}", Path("a.npy"), binary=frozenset({"healthy"})) for number in range(5)]
ROLES = {"ACC-0": "learnt", "ACC-1": "learnt", "ACC-2": "chosen", "ACC-3": "tested"}
PIXELS = {"ACC-0": "00", "ACC-1": "", "ACC-2": "22", "ACC-3": "33"}


def seen() -> Seen:
    return Seen.of(EXAMS, PIXELS, ROLES)


@pytest.mark.parametrize("exam_id", ["ACC-0", "ACC-1", "ACC-2", "ACC-3", "ACC-4", ""])
def test_an_exam_is_known_by_its_id(exam_id):
    role = ROLES.get(exam_id)
    assert seen().spoilt_by_id(exam_id) == (None if role == "tested" else role)


@pytest.mark.parametrize(("digest", "role"), [("00", "learnt"), ("22", "chosen"), ("33", None), ("", None)])
def test_and_by_its_pixels(digest, role):
    assert seen().spoilt_by_pixels(digest) == role


def test_no_id_can_be_read_and_none_has_the_same_digest_in_another_table():
    text = json.dumps(seen().to_json())
    assert "ACC" not in text
    other = Seen.of([replace(EXAMS[0], weight=0.5), *EXAMS[1:]], PIXELS, ROLES)
    assert other.table != seen().table
    assert not set(other.roles["learnt"].ids) & set(seen().roles["learnt"].ids)


def test_an_exam_that_was_learnt_from_counts_as_such_though_it_was_chosen_on_as_well():
    both = replace(seen(), roles={"learnt": seen().roles["learnt"], "chosen": seen().roles["learnt"]})
    assert both.spoilt_by_id("ACC-0") == both.spoilt_by_pixels("00") == "learnt"


def test_it_comes_back_with_its_bundle_and_can_not_be_changed_there(tmp_path):
    parts = ("mrnet", RECIPE, Calibration(), {"figures": []}, PROVENANCE, "")
    write_bundle(tmp_path / "b", tiny_mrnet(), *parts, seen=seen())
    assert load_bundle(tmp_path / "b").seen == seen()
    (tmp_path / "b" / "exams.json").write_text("{}")
    with pytest.raises(BundleError, match=r"exams\.json"):
        load_bundle(tmp_path / "b")


def test_a_bundle_of_an_earlier_version_does_not_say(tiny_bundle):
    assert load_bundle(tiny_bundle).seen is None


@pytest.mark.parametrize(
    "changed",
    [
        lambda voxels: {"voxels": voxels * 2 + 100},  # another rescale slope and intercept
        lambda voxels: {"voxels": voxels[::-1]},  # the slices in the other order
        lambda voxels: {"voxels": np.concatenate([voxels, np.zeros((1, 24, 20))])},  # a black slice more
        lambda voxels: {"voxels": voxels, "spacing_mm": (4.0, 1.0, 1.0)},
        lambda voxels: {"voxels": voxels.astype(np.uint8)},
    ],
)
def test_the_same_pixels_have_the_same_digest_whatever_is_around_them(changed):
    voxels = np.random.default_rng(0).integers(0, 255, (6, 24, 20)).astype(np.float64)
    assert exam_digest(make_volume(**changed(voxels))) == exam_digest(make_volume(voxels))


def test_other_pixels_have_another_and_nothing_has_none():
    voxels = np.random.default_rng(0).integers(0, 255, (6, 24, 20))
    other = voxels.copy()
    other[3, 5, 5] = 1000
    assert exam_digest(make_volume(other)) != exam_digest(make_volume(voxels)) != ""
    assert exam_digest(make_volume(np.zeros((4, 8, 8)))) == ""
