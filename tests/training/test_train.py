"""The whole story on a few small synthetic exams, as a user runs it."""

import hashlib
import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

import training.evaluate
import training.train
from models.bundle import load_bundle
from tests import warm
from tests.training.commands import run_here
from tests.training.tiny import TINY_DEMO

pytestmark = pytest.mark.slow


def settings(knees: Path, out: Path, *changes: str) -> list[str]:
    """The words after `training.train`: the demo, made small."""
    words = [word for change in (*TINY_DEMO, *changes) for word in ("--set", change)]
    return ["demo", "--exams", str(knees / "exams.csv"), "--out", str(out), "--jobs", "1", *words]


def train(knees: Path, out: Path, *changes: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return warm.run("-m", "training.train", *settings(knees, out, *changes), *options)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module", autouse=True)
def midnight():
    """These tests may run from one day to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1790000000")
        yield


@pytest.fixture(scope="module")
def trained(knees, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "small"
    result = train(knees, out)
    assert result.returncode == 0, result.stderr
    return out


def test_a_trained_bundle_says_where_it_comes_from(trained):
    bundle = load_bundle(trained)
    assert (bundle.manifest["trained_on"], bundle.manifest["trained_at"]) == ("synthetic", "2026-09-21")
    assert "It was trained on 2026-09-21." in bundle.model_card
    assert bundle.manifest["exams"] == {"train": 5, "val": 3, "test": 4}
    assert bundle.manifest["command"].startswith("python -m training.train demo --set 'recipe.size=[64, 64]'")
    assert tomllib.loads((trained / "train.toml").read_text())["fit"]["epochs"] == 2
    assert bundle.calibration.fitted_on == "not fitted"
    assert "3 validation" not in bundle.calibration.unusable
    assert "at least 10 of each" in bundle.calibration.unusable
    codes = [notice.code for notice in bundle.notices()]
    assert codes == ["synthetic-training", "not-calibrated", "epoch-chosen-on-few"]
    assert "**not calibrated**" in bundle.model_card
    assert bundle.operating_point is None
    assert "Operating point" not in bundle.model_card
    assert {role: len(digests.ids) for role, digests in bundle.seen.roles.items()} == {
        "learnt": 5,
        "chosen": 3,
        "tested": 4,
    }
    assert all(len(digests.pixels) == len(digests.ids) for digests in bundle.seen.roles.values())
    names = [figure["name"] for figure in bundle.metrics["figures"]]
    assert names[:2] == ["binary AUC", "binary accuracy"]
    assert all("never used for a choice" in figure["measured_on"] for figure in bundle.metrics["figures"])
    assert "binary AUC" in bundle.model_card


def test_the_same_command_makes_the_same_bundle_bit_for_bit(trained, knees, tmp_path):
    """In a process that shares nothing with the first one."""
    again = tmp_path / "small"
    command = [sys.executable, "-m", "training.train", *settings(knees, again)]
    subprocess.run(command, capture_output=True, check=True)
    assert digests(trained) == digests(again)


# Ends itself as `kill -9` would, while the second epoch on whole blocks is under way: after two checkpoints.
KILLED = """
import os, signal
from training.data.batches import Batches
from training.fitting.checkpoint import RunState
from training.train import main

fetch, write, written = Batches.__getitem__, RunState.write, []

def deadly(self, index):
    if len(written) == 2 and index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return fetch(self, index)

def counted(self, path):
    write(self, path)
    written.append(path)

Batches.__getitem__, RunState.write = deadly, counted
main()
"""


def test_killed_in_the_middle_of_an_epoch_the_same_command_makes_the_same_bundle(trained, knees, tmp_path):
    out = tmp_path / "small"
    assert warm.run("-c", KILLED, *settings(knees, out)).returncode == -signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / "small.run").is_dir()

    result = train(knees, out)
    assert result.returncode == 0, result.stderr
    assert "continuing in phase fit after epoch 1" in result.stdout
    assert digests(out) == digests(trained)
    assert not (tmp_path / "small.run").exists()


def test_a_bundle_is_replaced_with_force_only_and_that_is_said_at_once(trained, tmp_path):
    before = digests(trained)
    words = ["demo", "--exams", str(tmp_path / "no table"), "--out", str(trained)]
    result = run_here(training.train.main, *words)
    assert result.returncode == 2
    assert "holds a bundle already; name another folder, or replace it with --force" in result.stderr
    result = run_here(
        training.train.main, "demo", "--exams", str(tmp_path / "no table"), "--out", str(trained), "--force"
    )
    assert "no table" in result.stderr
    assert digests(trained) == before


def test_another_seed_makes_other_weights(trained, knees, tmp_path):
    other = tmp_path / "small"
    assert run_here(training.train.main, *settings(knees, other, "seed=8")).returncode == 0
    weights = "model.weights.h5"
    assert (trained / weights).read_bytes() != (other / weights).read_bytes()


def test_evaluate_writes_every_exam(trained, knees, tmp_path):
    report = tmp_path / "report.json"
    table = str(knees / "exams.csv")
    result = run_here(training.evaluate.main, str(trained), "--exams", table, "--split", "all", "--out", str(report))
    assert result.returncode == 0, result.stderr
    assert "binary AUC" in result.stdout
    content = json.loads(report.read_text())
    assert len(content["exams"]) == 4
    assert "8 of 12 exams are left out: 5 that it has learnt from and 3 that it was chosen on" in result.stdout
    assert "8 of 12 exams are left out" in content["figures"][0]["measured_on"]
    for row in content["exams"]:
        assert (row["pointing"] is not None) == row["unhealthy"]
        assert 0 <= row["probability"] <= 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [("recipe.size=[8, 8]", ""), ('scheme="ternary"', "ternary"), ("fit.epochs=x", "fit.epochs=x")],
)
def test_a_wrong_setting_is_one_sentence_and_no_traceback(knees, tmp_path, change, reason):
    result = run_here(training.train.main, *settings(knees, tmp_path / "never", change))
    assert result.returncode == 2
    assert reason in result.stderr
    assert not (tmp_path / "never" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (",val,\n", ",train,\n", "no exam of split 'val' in the table, which has 8 train, 4 test"),
        (",unhealthy,", ",healthy,", "split train has 5 healthy, 0 unhealthy: there are no classes to separate"),
        (",unhealthy,", ",torn,", "column binary: 'torn'"),
    ],
)
def test_a_table_that_will_not_do_is_refused_before_any_work(knees, tmp_path, before, after, reason):
    table = tmp_path / "exams.csv"
    table.write_text((knees / "exams.csv").read_text().replace(before, after))
    result = run_here(training.train.main, "demo", "--exams", str(table), "--out", str(tmp_path / "never"))
    assert result.returncode == 2
    assert reason in result.stderr
