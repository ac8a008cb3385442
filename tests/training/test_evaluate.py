"""A bundle is measured on exams that it hasn't seen, under whatever name they come."""

from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from data_prep.prepare.fingerprint import exam_digest
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam, read_exams, write_exams
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.predictor import Predictor
from models.seen import Seen
from tests.models.conftest import PROVENANCE, RECIPE, tiny_mrnet, write_tiny_bundle
from tests.training.commands import run_here
from training.evaluate import main
from training.evaluation.report import evaluate, of_split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exams(knees) -> list[Exam]:
    return read_exams(knees / "exams.csv")


@pytest.fixture(scope="module")
def bundle(exams, tmp_path_factory) -> Path:
    """It says that it has learnt from split train and was chosen on val."""
    known = [exam for exam in exams if exam.split in ("train", "val")]
    pixels = {exam.exam_id: exam_digest(load_exam(exam)) for exam in known}
    roles = {exam.exam_id: "learnt" if exam.split == "train" else "chosen" for exam in known}
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    seen = Seen.of(exams, pixels, roles)
    write_bundle(folder, tiny_mrnet(), "mrnet", RECIPE, Calibration(), {"figures": []}, PROVENANCE, "", seen=seen)
    return folder


def as_array(exam: Exam, folder: Path) -> Exam:
    """The exam's voxels as a file of numbers, with slices in the other order."""
    volume = load_exam(exam)
    np.save(folder / f"{exam.exam_id}.npy", volume.voxels[::-1].astype(np.int16))
    path = folder / f"{exam.exam_id}.npy"
    return replace(
        exam, exam_id=f"copy of {exam.exam_id}", path=path, study_uid="", series_uid="", spacing_mm=volume.spacing_mm
    )


def test_exams_are_known_again_by_id_and_by_pixels(bundle, exams, tmp_path):
    train, *_ = (exam for exam in exams if exam.split == "train")
    other, *_ = (exam for exam in exams if exam.split == "val")
    test = [exam for exam in exams if exam.split == "test"]
    renamed = replace(train, exam_id="another")
    under_its_id = replace(test[0], exam_id=other.exam_id)
    table = [*test, renamed, under_its_id, as_array(other, tmp_path)]
    rows, left_out = evaluate(Predictor(load_bundle(bundle)), table)
    assert [row.exam_id for row in rows] == [exam.exam_id for exam in test]
    assert left_out.roles == {"learnt": 1, "chosen": 2}
    assert str(left_out) == "3 of 7 exams are left out: 1 that it has learnt from and 2 that it was chosen on"


def run(bundle: Path, table: Path, *options: str) -> CompletedProcess[str]:
    return run_here(main, str(bundle), "--exams", str(table), *options)


def test_figures_say_how_many_exams_were_left_out(bundle, knees, tmp_path):
    result = run(bundle, knees / "exams.csv", "--split", "all", "--out", str(tmp_path / "r.json"))
    assert result.returncode == 0, result.stderr
    assert "4 phantom exams, split all, of exams.csv (8 of 12 exams are left out" in result.stdout
    assert f"the predictions for 4 exams are in {tmp_path / 'r.json'}" in result.stdout


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ("tset", "no exam of split 'tset' in exams.csv, which has 5 train, 3 val, 4 test; choose one with --split"),
        ("train", "nothing remains to predict on: 5 of 5 exams are left out: 5 that it has learnt from"),
    ],
)
def test_nothing_to_predict_on_is_one_sentence(bundle, knees, split, reason):
    result = run(bundle, knees / "exams.csv", "--split", split)
    assert result.returncode == 2
    assert reason in result.stderr


def test_where_figures_go_is_asked_before_anything_is_computed(monkeypatch, bundle, knees, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr("training.evaluate.report", lambda *_: pytest.fail("computed"))
    for out, reason in ((tmp_path, "is a folder; name a file"), (tmp_path / "file" / "r.json", "File exists")):
        result = run(bundle, knees / "exams.csv", "--out", str(out))
        assert result.returncode == 2
        assert reason in result.stderr
    monkeypatch.setattr("training.evaluate.report", lambda *_: ([], []))
    result = run(bundle, knees / "exams.csv", "--out", str(tmp_path / "new" / "r.json"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new" / "r.json").is_file()


def test_what_is_left_may_be_too_little(bundle, exams, tmp_path):
    """After another split: of the new test part only healthy exams hadn't been learnt from."""
    kept = [exam for exam in exams if exam.split != "test" or exam.binary == {"healthy"}]
    write_exams([replace(exam, split="test") for exam in kept], tmp_path / "exams.csv")
    result = run(bundle, tmp_path / "exams.csv")
    assert result.returncode == 2
    assert "what is left of split test" in result.stderr
    assert "0 unhealthy" in result.stderr


def test_a_bundle_that_does_not_say_what_it_has_seen_is_evaluated_with_a_warning(knees, tmp_path):
    result = run(write_tiny_bundle(tmp_path / "tiny"), knees / "exams.csv")
    assert result.returncode == 0, result.stderr
    assert "warning: tiny doesn't say which exams it has learnt from" in result.stdout


def test_splits_without_a_label_or_of_one_class_are_told(exams):
    bare = [replace(exam, binary=frozenset(), split="test") for exam in exams]
    with pytest.raises(ValueError, match=r"none of 12 exams of split test in a\.csv is surely healthy"):
        of_split(bare, "test", "a.csv")
    healthy = [replace(exam, binary=frozenset({"healthy"}), split="test") for exam in exams]
    with pytest.raises(ValueError, match=r"split test of a\.csv has 12 healthy, 0 unhealthy"):
        of_split(healthy, "test", "a.csv")
