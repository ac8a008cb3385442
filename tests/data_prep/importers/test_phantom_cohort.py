"""Synthetic cohorts with exact counts: how they are asked for, what is written, and that none is overwritten."""

from argparse import ArgumentError
from collections import Counter
from pathlib import Path

import pytest

from data_prep.importers.phantom_cohort import LIKE
from data_prep.labels import FOUR_CLASS
from data_prep.phantom.cohort import Cohort
from data_prep.prepare.load import ligament_mask, load_exam
from tests.data_prep.importers.asking import ask, exams_of

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes


@pytest.mark.slow
def test_counts_on_the_command_line_are_exams_on_disk(tmp_path):
    root = tmp_path / "knees"
    found = ask("phantom", root, "--classes", "complete rupture:2, healthy:1", "--seed", "5")
    exams = exams_of(found, tmp_path)
    assert list(exams) == ["ph-5-00000", "ph-5-00001", "ph-5-00002"]
    assert Counter(label for exam in exams.values() for label in exam.four_class) == {COMPLETE: 2, HEALTHY: 1}
    assert [row.place for row in found.rows] == [f"exams.csv, row {n}" for n in (2, 3, 4)]
    assert {exam.source for exam in exams.values()} == {"phantom"}
    exam = found.rows[0].exam
    volume = load_exam(exam)
    assert exam.mask.is_relative_to(root.resolve())
    assert ligament_mask(exam, volume.shape).any()
    with pytest.raises(ValueError, match=r"--root .*knees holds a cohort already \(exams\.csv\); name a new folder"):
        ask("phantom", root, "--like", "mono")


def test_like_mono_is_the_published_cohort_on_two_scanners(tmp_path, monkeypatch):
    """The whole cohort takes minutes: only what would be written is asked."""
    asked = []

    def write(self: Cohort, folder: Path, exams: int, jobs: int, cluster: str) -> list:
        asked.append((self, folder, exams, jobs, cluster))
        folder.mkdir()
        (folder / "exams.csv").write_text("exam_id,patient_id,path\n")
        return []

    monkeypatch.setattr(Cohort, "write", write)
    ask("phantom", tmp_path / "mono", "--like", "mono", "--seed", "8", "--cluster", "tcp://there:1")
    ((cohort, folder, exams, jobs, cluster),) = asked
    assert (folder, exams, jobs, cluster) == ((tmp_path / "mono").resolve(), 761, 1, "tcp://there:1")
    assert cohort.seed == 8
    labels = Counter(cohort.label(index) for index in range(761))
    assert labels == {HEALTHY: 462, STRAIN: 88, PARTIAL: 59, COMPLETE: 152}
    assert len({profile.name for profile in cohort.profiles}) == 2
    assert LIKE["mono"].seed != 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "torn:3"], "no class 'torn'"),
        (["--classes", "healthy:1.5"], "counts are whole numbers"),
        (["--classes", "healthy:-1"], "counts are whole numbers"),
        (["--classes", "healthy:0"], "counts are whole numbers"),
        (["--classes", "healthy:many"], "could not convert"),
        (["--classes", "healthy:inf"], "counts are whole numbers"),
        (["--classes", "healthy:1", "--like", "mono"], "not allowed with"),
        (["--like", "stereo"], "invalid choice"),
    ],
)
def test_impossible_wishes_are_refused_before_anything_is_made(tmp_path, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ask("phantom", tmp_path / "knees", *arguments)
    assert not (tmp_path / "knees").exists()
