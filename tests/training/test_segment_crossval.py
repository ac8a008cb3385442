"""`training.segment_crossval` as a user runs it, on small drawn images; killed and continued."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from models.segment.segmenter import Segmenter
from tests.training.commands import run_here
from tests.training.drawings import TINY, table
from training.segment_crossval import main

pytestmark = pytest.mark.slow

SETTINGS = [word for change in [*TINY, "fit.epochs=6"] for word in ("--set", change)]


def words(masks: Path, out: Path, *more: str) -> list[str]:
    return ["quick", "--masks", str(masks), "--out", str(out), "--folds", "2", "--jobs", "1", *SETTINGS, *more]


@pytest.fixture(scope="module")
def masks(tmp_path_factory) -> Path:
    return table(tmp_path_factory.mktemp("masks"), ["train"] * 14 + ["test"])


@pytest.fixture(scope="module")
def run(masks, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = run_here(main, *words(masks, folder, "--bundles"))
    assert done.returncode == 0, done.stderr
    assert "14 exams of 14 patients" in done.stdout
    assert "mean of 2 folds: Dice 0." in done.stdout
    return folder


def test_each_patient_is_held_out_once(run):
    with (run / "exams.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["exam_id"] for row in rows) == sorted(f"exam {seed}" for seed in range(14))
    found = json.loads((run / "figures.json").read_text())
    assert [fold["exams"] for fold in found["folds"]] == [7, 7]
    by_name = {figure["name"]: figure for figure in found["figures"]}
    assert by_name["acl Dice"]["exams"] == 14
    assert by_name["acl Dice"]["value"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]))
    assert by_name["acl Dice"]["value"] > 0.6
    assert "held out in 2 folds" in by_name["acl Dice"]["measured_on"]


def test_folds_have_dice_accuracy_and_a_threshold_of_their_own_and_there_is_a_mean(run):
    found = json.loads((run / "figures.json").read_text())
    for name in ("dice", "accuracy"):
        assert found["mean"][name] == pytest.approx(np.mean([fold[name] for fold in found["folds"]]))
    for fold in found["folds"]:
        folder = run / f"fold-{fold['fold']}"
        segmenter = Segmenter.load(folder / "bundle")
        assert segmenter.threshold == fold["threshold"]["value"]
        (seen,) = segmenter.provenance["seen"]
        assert sum(len(exams["ids"]) for exams in seen["roles"].values()) == 7
        assert "6 examples from 6 images, 1 to validate on" in (folder / "log.txt").read_text()


def test_a_fold_that_is_missing_is_run_again_and_others_are_not(run, masks):
    before = (run / "figures.json").read_text()
    (run / "fold-2" / "measured.npz").unlink()
    done = (run / "fold-1" / "measured.npz").stat().st_mtime_ns
    assert run_here(main, *words(masks, run)).returncode == 0
    assert (run / "fold-1" / "measured.npz").stat().st_mtime_ns == done
    assert (run / "figures.json").read_text() == before


def test_other_settings_need_another_folder(run, masks):
    refused = run_here(main, *words(masks, run, "--set", "seed=5"))
    assert refused.returncode == 2
    assert "holds a run with other preset; give another --out" in refused.stderr


def test_too_few_patients_are_told(tmp_path):
    refused = run_here(main, *words(table(tmp_path, ["", ""]), tmp_path / "out"))
    assert refused.returncode == 2
    assert "2 folds need at least as many patients, and at least 3; there are 2" in refused.stderr
