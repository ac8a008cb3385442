"""Cross-validation of a few small synthetic exams, as a user runs it; killed and continued."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from data_prep.labels import BINARY
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import read_exams
from models.bundle import load_bundle
from models.predictor import Predictor
from tests.training.tiny import TINY_DEMO, TINY_TRUNK
from training.config.config import load_config
from training.crossval import main
from training.runs.cross_validation import score

pytestmark = pytest.mark.slow

PATIENCE_S = 300


def arguments(knees: Path, out: Path, *more: str) -> list[str]:
    """`training.crossval demo`, made small: 2 folds of all 12 exams."""
    settings = [word for change in TINY_DEMO for word in ("--set", change)]
    table = ["--exams", str(knees / "exams.csv"), "--folds", "2", "--all", "--jobs", "2"]
    return ["demo", *table, "--out", str(out), *settings, *more]


def predictions(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def undisturbed(knees, tmp_path_factory) -> Path:
    """A run with both folds at once, and its ensemble beside it."""
    folder = tmp_path_factory.mktemp("crossval")
    main(arguments(knees, folder / "run", "--ensemble", str(folder / "ensemble")))
    return folder / "run"


def test_every_exam_is_predicted_once_by_a_model_that_never_saw_it(undisturbed, knees):
    rows = predictions(undisturbed)
    exams = {exam.exam_id: exam for exam in read_exams(knees / "exams.csv")}
    assert sorted(row["exam_id"] for row in rows) == sorted(exams)
    seed = str(load_config("demo", [])[0].seed)
    assert {(row["repeat"], row["fold"], row["seed"]) for row in rows} == {("1", "1", seed), ("1", "2", seed)}
    for fold in ("1", "2"):
        bundle = load_bundle(undisturbed / "repeat-1" / f"fold-{fold}" / "bundle")
        held_out = [row for row in rows if row["fold"] == fold]
        assert sum(bundle.manifest["exams"].values()) == 12 - len(held_out)
        row = held_out[0]
        exam = exams[row["exam_id"]]
        assert row["allowed"] == min(exam.binary)
        # What a served bundle says of the study itself.
        expected = Predictor(bundle).predict(load_exam(exam)).probabilities
        assert [float(row[name]) for name in BINARY.classes] == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_refused_run_leaves_its_folder_to_the_one_that_mends_it(knees, tmp_path, capsys):
    for folds, reason in (("1", "at least 2 folds"), ("500", "fold")):
        with pytest.raises(SystemExit) as ended:
            main(arguments(knees, tmp_path / "run", "--folds", folds))
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert reason in said
        assert "holds a run with other" not in said
    assert not list((tmp_path / "run").iterdir())


def test_figures_are_of_all_held_out_predictions(undisturbed):
    report = json.loads((undisturbed / "figures.json").read_text())
    rows = predictions(undisturbed)
    right = [(float(row["unhealthy"]) > 0.5) == (row["allowed"] == "unhealthy") for row in rows]
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert figures["accuracy"]["value"] == pytest.approx(np.mean(right))
    assert figures["binary AUC"]["exams"] == 12
    assert figures["accuracy"]["measured_on"] == "phantom exams of exams.csv, held out in 2 folds"
    assert np.sum(report["confusion"]) == 12
    again = score(undisturbed / "predictions.csv", BINARY, "the same")
    assert [figure.value for figure in again.figures] == [figure["value"] for figure in report["figures"]]


def killed_in_the_second_fold(knees: Path, out: Path) -> None:
    """Run one fold after the other, in a process of its own, until the second one has begun."""
    command = [sys.executable, "-m", "training.crossval", *arguments(knees, out, "--jobs", "1")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while not (out / "repeat-1" / "fold-2").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()


def test_killed_after_the_first_fold_it_goes_on_and_ends_alike(undisturbed, knees, tmp_path, capsys):
    out = tmp_path / "run"
    killed_in_the_second_fold(knees, out)
    assert not (out / "repeat-1" / "fold-2" / "predictions.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in (out / "repeat-1" / "fold-1").rglob("*")}

    main(arguments(knees, out))
    said = capsys.readouterr().out
    assert "12 exams in 12 groups" in said
    assert "accuracy: " in said
    assert {path: path.stat().st_mtime_ns for path in (out / "repeat-1" / "fold-1").rglob("*")} == before
    assert (out / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes()
    assert (out / "figures.json").read_bytes() == (undisturbed / "figures.json").read_bytes()


def test_the_folds_are_a_bundle(undisturbed, knees):
    bundle = load_bundle(undisturbed.parent / "ensemble")
    folds = [load_bundle(undisturbed / "repeat-1" / f"fold-{number}" / "bundle") for number in (1, 2)]
    exam = load_exam(read_exams(knees / "exams.csv")[0])
    answers = [Predictor(fold).predict(exam).probabilities for fold in folds]
    product = np.sqrt(answers[0] * answers[1])
    prediction = Predictor(bundle).predict(exam)
    assert prediction.probabilities == pytest.approx(product / product.sum(), rel=1e-4)
    assert prediction.method.exact
    assert all(figure["measured_on"].endswith("single members") for figure in bundle.metrics["figures"])


TINY_SVC = [*TINY_TRUNK, 'scheme="binary"', 'svc.kind="nearest_neighbours"']


def test_a_classifier_that_no_bundle_holds_can_be_compared(knees, tmp_path, capsys):
    words = [word for change in TINY_SVC for word in ("--set", change)]
    table = ["--exams", str(knees / "exams.csv"), "--folds", "2", "--all", "--jobs", "1"]
    main(["vgg16-svc", *table, "--out", str(tmp_path / "run"), *words])
    assert len(predictions(tmp_path / "run")) == 12
    assert not list(tmp_path.rglob("manifest.json"))
    with pytest.raises(SystemExit):
        main(["vgg16-svc", *table, "--out", str(tmp_path / "other"), "--ensemble", str(tmp_path / "e"), *words])
    assert "nearest_neighbours is for comparison only" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_each_fold_is_tuned_on_its_own_exams(knees, tmp_path):
    """A grouped search inside each fold never reads a held-out exam's label: flipping one changes nothing for it."""
    space = tmp_path / "space.toml"
    space.write_text("[svc.c]\nlow = 1e-4\nhigh = 1e2\nlog = true\n")
    words = [word for change in [*TINY_SVC[:-1], "svc.kind='linear_svc'"] for word in ("--set", change)]
    table = ["--exams", str(knees / "exams.csv"), "--folds", "2", "--all", "--jobs", "1"]
    main(["vgg16-svc", *table, "--out", str(tmp_path / "run"), "--tune", "2", "--space", str(space), *words])
    report = json.loads((tmp_path / "run" / "figures.json").read_text())
    assert report["figures"][0]["measured_on"].endswith("held out in 2 folds, each tuned by itself in 2 trials")
    for fold in (1, 2):
        log = (tmp_path / "run" / "repeat-1" / f"fold-{fold}" / "log.txt").read_text()
        assert "best of 2 trials: ['svc.c=" in log


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["--set", "seed=8"], "a run with other preset; give another --out"),
        (["--folds", "3"], "a run with other folds; give another --out"),
        (["--set", "scheme='ternary'"], "ternary"),
    ],
)
def test_another_run_s_folder_is_refused_in_one_sentence(undisturbed, knees, capsys, change, reason):
    with pytest.raises(SystemExit) as ended:
        main(arguments(knees, undisturbed, *change))
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err
