"""`training.segment` as a user runs it, on small drawn images."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.masks.table import read_masks, write_masks
from models.files.manifest import MANIFEST, read_json, sha256
from models.segment.segmenter import Segmenter
from tests.training.commands import run_here
from tests.training.drawings import TINY, annotated, table
from training.evaluation.segmentation import measure_masks
from training.segment import main

pytestmark = pytest.mark.slow

SETTINGS = [word for change in [*TINY, "fit.epochs=8"] for word in ("--set", change)]
SPLITS = ["train"] * 12 + ["val"] * 3 + ["test"] * 4
# Dice that the small network reaches on images that it hasn't seen; with random weights it stays below a third of it.
LEARNT = 0.7
PATIENCE_S = 300


def words(masks: Path, out: Path, *more: str) -> list[str]:
    return ["quick", "--masks", str(masks), "--out", str(out), "--jobs", "1", *SETTINGS, *more]


@pytest.fixture(scope="module")
def masks(tmp_path_factory) -> Path:
    return table(tmp_path_factory.mktemp("masks"), SPLITS)


@pytest.fixture(scope="module")
def bundle(masks, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "localiser-tiny"
    done = run_here(main, *words(masks, folder))
    assert done.returncode == 0, done.stderr
    assert "12 examples from 12 images, 3 to validate on" in done.stdout
    assert "acl Dice: 0." in done.stdout
    assert not folder.with_name("localiser-tiny.run").exists()
    return folder


def figures(folder: Path) -> dict[str, dict]:
    return {figure["name"]: figure for figure in read_json(folder / "metrics.json")["figures"]}


def test_a_bundle_finds_the_band_and_says_how_well_it_did_on_test_exams(bundle):
    found = figures(bundle)
    assert found["acl Dice"]["value"] > LEARNT
    assert found["acl Dice"]["exams"] == 4
    assert found["acl Dice"]["measured_on"] == "exams of split test, never used for a choice"
    segmenter = Segmenter.load(bundle)
    exam = annotated(50, "test")
    (row,) = measure_masks(segmenter, exam)
    assert row.score.dice > LEARNT
    assert row.peak_on


def test_a_bundle_says_what_it_was_made_of(bundle):
    manifest = read_json(bundle / MANIFEST)
    assert manifest["exams"] == {"train": 12, "val": 3, "test": 4}
    assert manifest["command"].startswith("python -m training.segment quick --set architecture.width=4")
    assert manifest["trained_on"] == "masks"
    assert manifest["seeds_tried"] == [1]
    (seen,) = manifest["seen"]
    assert [len(seen["roles"][role]["ids"]) for role in ("learnt", "chosen")] == [12, 3]
    ranges = manifest["plausible"]
    assert 0 < ranges["volume_mm3"][0] < ranges["volume_mm3"][1]
    assert 0.3 < ranges["row"][0] <= ranges["row"][1] < 0.7
    metrics = read_json(bundle / "metrics.json")
    assert metrics["threshold"]["value"] == manifest["threshold"]
    assert metrics["threshold"]["validation_exams"] == 3
    assert sum(each["pixels"] for each in metrics["calibration"]["acl"]) == 4 * 32 * 32


def test_the_same_command_gives_the_same_bundle(bundle, masks, tmp_path):
    again = tmp_path / "localiser-tiny"
    assert run_here(main, *words(masks, again)).returncode == 0
    assert {path.name: sha256(path) for path in again.iterdir()} == {
        path.name: sha256(path) for path in bundle.iterdir()
    }
    refused = run_here(main, *words(masks, again))
    assert refused.returncode == 2
    assert "holds a bundle already" in refused.stderr


def test_killed_by_the_system_the_same_command_gives_the_same_bundle(bundle, masks, tmp_path):
    folder = tmp_path / "localiser-tiny"
    command = [sys.executable, "-m", "training.segment", *words(masks, folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run, until = tmp_path / "localiser-tiny.run", time.monotonic() + PATIENCE_S
    while not list(run.glob("*.npz")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.wait(PATIENCE_S)
    assert not folder.exists()
    done = run_here(main, *words(masks, folder))
    assert done.returncode == 0
    assert "continuing after epoch " in done.stdout
    assert {path.name: sha256(path) for path in folder.iterdir()} == {
        path.name: sha256(path) for path in bundle.iterdir()
    }


def test_test_exams_decide_nothing(bundle, masks, tmp_path):
    """Without them, weights, threshold and plausible shapes are the same; only the figures are missing."""
    rows = [row for row in read_masks(masks) if row.split != "test"]
    few = tmp_path / "few.csv"
    write_masks(rows, few)
    assert run_here(main, *words(few, tmp_path / "few")).returncode == 0
    one, other = Segmenter.load(bundle), Segmenter.load(tmp_path / "few")
    assert one.sha256 == other.sha256
    assert one.threshold == other.threshold
    assert one.plausible == other.plausible
    assert read_json(tmp_path / "few" / "metrics.json")["figures"] == []


def test_it_goes_on_from_corrected_masks(bundle, masks, tmp_path):
    """Three more patients; a test exam that the earlier one has learnt from is left out."""
    more = read_masks(table(tmp_path, ["train", "train", "val", "test", "test"], first=30))
    learnt = [row for row in read_masks(masks) if row.exam_id == "exam 2"]
    rows = [*more, *(row.__class__(**(vars(row) | {"split": "test"})) for row in learnt)]
    write_masks(rows, tmp_path / "more.csv")
    done = run_here(main, *words(tmp_path / "more.csv", tmp_path / "next", "--continue", str(bundle)))
    assert done.returncode == 0, done.stderr
    manifest = read_json(tmp_path / "next" / MANIFEST)
    assert manifest["continued_from"] == {"name": "localiser-tiny", "sha256": sha256(bundle / MANIFEST)}
    assert "--continue localiser-tiny" in manifest["command"]
    assert [len(seen["roles"]["learnt"]["ids"]) for seen in manifest["seen"]] == [12, 2]
    assert manifest["seen"][0] == read_json(bundle / MANIFEST)["seen"][0]
    found = figures(tmp_path / "next")["acl Dice"]
    assert found["exams"] == 2
    assert "without 1 that it has learnt from or was chosen on" in found["measured_on"]
    assert found["value"] > LEARNT
    before, after = (read_json(folder / MANIFEST)["plausible"] for folder in (bundle, tmp_path / "next"))
    assert all(after[name][0] <= before[name][0] and after[name][1] >= before[name][1] for name in before)


def test_another_network_cannot_go_on(bundle, masks, tmp_path):
    settings = ["--continue", str(bundle), "--set", "architecture.width=5"]
    refused = run_here(main, *words(masks, tmp_path / "x", *settings))
    assert refused.returncode == 2
    assert "localiser-tiny has another network than the preset: Architecture(network='unet'" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (["train", "train"], "no exam of split 'val' in the table, which has 2 train"),
        ([""], "at least two patients are needed"),
    ],
)
def test_a_table_that_nothing_can_be_learnt_from_is_one_sentence(tmp_path, splits, said):
    refused = run_here(main, *words(table(tmp_path, splits), tmp_path / "out"))
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_structure_that_nobody_has_drawn_names_the_exam(tmp_path):
    masks = table(tmp_path, ["train", "val"])
    refused = run_here(main, *words(masks, tmp_path / "out", "--set", 'structures=["acl", "femur"]'))
    assert refused.returncode == 2
    assert "exam 0: nobody has drawn femur, only acl" in refused.stderr


def test_six_images_without_splits_are_enough(tmp_path):
    masks = table(tmp_path, [""] * 6)
    crops = ["--set", "augmentation.crops=44", "--set", "augmentation.crop_size=[16, 16]", "--set", "fit.epochs=1"]
    done = run_here(main, *words(masks, tmp_path / "first", *crops))
    assert done.returncode == 0, done.stderr
    assert "no exam has a split: 1 of 6 choose the epoch" in done.stdout
    assert "220 examples from 5 images, 1 to validate on" in done.stdout
    assert "no figures: they need unseen exams of at least two patients in split test" in done.stdout
    assert json.loads((tmp_path / "first" / "metrics.json").read_text())["figures"] == []
