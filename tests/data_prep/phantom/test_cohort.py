"""Cohorts: balanced, the same whatever their size, and written as the command line promises."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.phantom import __main__ as command
from data_prep.phantom.cohort import Cohort, class_weights
from data_prep.phantom.scanner import PROFILES
from data_prep.tables.exams import read_exams

pytestmark = pytest.mark.slow

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four exams, by the command line."""
    out = tmp_path_factory.mktemp("cohort")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["phantom", "--out", str(out), "--exams", "4", "--seed", "9", "--jobs", "2"])
        command.main()
    return out


def test_command_line_writes_table_pixels_and_truth(folder: Path) -> None:
    exams = read_exams(folder / "exams.csv")
    assert len({exam.exam_id for exam in exams}) == len({exam.patient_id for exam in exams}) == 4
    for exam in exams:
        assert exam.path == folder / exam.exam_id / "dicom"
        assert exam.source == "phantom"
        with np.load(folder / exam.exam_id / "truth.npz") as truth:
            assert len(list(exam.path.glob("*.dcm"))) == len(truth["acl"])
            assert exam.four_class == {str(truth["class"])}
        assert exam.binary == ({BINARY.classes[0]} if exam.four_class == {HEALTHY} else {BINARY.classes[1]})


def test_an_exam_does_not_depend_on_how_many_there_are(folder: Path, tmp_path: Path) -> None:
    Cohort(seed=9).make(2, tmp_path)
    name = Cohort(seed=9).exam_id(2)
    alone, among = sorted((tmp_path / name).rglob("*.*")), sorted((folder / name).rglob("*.*"))
    assert [path.read_bytes() for path in alone] == [path.read_bytes() for path in among]


@pytest.mark.parametrize("exams", [24, 200])
def test_half_is_healthy_and_the_rest_spread_evenly(exams: int) -> None:
    cohort = Cohort(seed=3)
    counts = Counter(cohort.label(index) for index in range(exams))
    assert counts[HEALTHY] == pytest.approx(exams / 2, abs=2)
    assert [counts[label] for label in (STRAIN, PARTIAL, COMPLETE)] == pytest.approx([exams / 6] * 3, abs=2)


def test_every_split_has_the_same_mixture() -> None:
    cohort = Cohort(seed=4)
    both = Counter((cohort.split(index), cohort.label(index) == HEALTHY) for index in range(400))
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert both[split, True] + both[split, False] == pytest.approx(400 * share, abs=4)
        assert both[split, True] == pytest.approx(both[split, False], abs=8)


def test_classes_are_named_with_weights() -> None:
    assert class_weights("complete rupture:1, healthy:2") == (2, 0, 0, 1)
    cohort = Cohort(seed=1, weights=class_weights("complete rupture"))
    assert {cohort.label(index) for index in range(20)} == {COMPLETE}
    with pytest.raises(ValueError, match="no class 'torn'"):
        class_weights("torn:1")


def test_counts_are_exact_and_in_random_order() -> None:
    cohort = Cohort(seed=6, counts=(40, 0, 25, 35))
    labels = [cohort.label(index) for index in range(100)]
    assert Counter(labels) == {HEALTHY: 40, PARTIAL: 25, COMPLETE: 35}
    assert labels == [Cohort(seed=6, counts=(40, 0, 25, 35)).label(index) for index in range(100)]
    assert labels != [Cohort(seed=7, counts=(40, 0, 25, 35)).label(index) for index in range(100)]
    assert 30 < sum(label != other for label, other in pairwise(labels)) < 90
    with pytest.raises(IndexError):
        cohort.label(100)


def test_knees_are_made_on_the_scanners_asked_for(tmp_path: Path) -> None:
    both = Cohort(seed=2, profiles=tuple(replace(profile, acquired=(64,), matrices=(64,)) for profile in PROFILES[:2]))
    scanners = Counter(both.make(index, tmp_path).scanner for index in range(8))
    assert set(scanners) == {profile.name for profile in PROFILES[:2]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": (0, 0, 0, 0)},
        {"weights": (1, 1, 1, -1)},
        {"weights": (1, 1)},
        {"val": 0.7, "test": 0.4},
        {"counts": (0, 0, 0, 0)},
        {"counts": (1, 2)},
        {"counts": (1, 1, 1, -1)},
    ],
)
def test_impossible_cohorts_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        Cohort(seed=1, **wrong)
