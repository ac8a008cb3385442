"""A search on synthetic exams, as a user starts it: what it finds, what it never touches, what it leaves behind.

Most tests replace learning by a learner that knows the truth, the surer the nearer `svc.c` is to BEST_C.
"""

import csv
import math
import signal
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from data_prep.tables.exams import Exam, read_exams
from tests import warm
from tests.training.tiny import TINY_TRUNK
from training import train, tune
from training.config.config import Config, load_config
from training.config.place import Place
from training.search import search, storage

pytestmark = pytest.mark.slow

TINY = [*TINY_TRUNK, 'scheme="binary"']
BEST_C = 0.01
SPACE = "[svc.c]\nlow = 1e-5\nhigh = 1e2\nlog = true\n[svc.pooling]\nchoices = ['mean', 'max']\n"


@dataclass
class Knowing:
    """Answers as a model that learnt with this configuration would; it is its own `fitted`, too."""

    config: Config

    @property
    def fitted(self) -> "Knowing":
        return self

    def forget(self) -> None:
        """It has no checkpoint."""

    def probabilities(self, exams: Sequence[Exam]) -> np.ndarray:
        assert self.config.svc is not None
        sure = 0.95 - 0.08 * abs(math.log10(self.config.svc.c / BEST_C))
        return np.array([[sure, 1 - sure] if exam.binary == {"healthy"} else [1 - sure, sure] for exam in exams])


def knowing(config: Config, exams: Sequence[Exam], place: Place) -> Knowing:
    """Stands for `learn`."""
    return Knowing(config)


def arguments(knees: Path, out: Path, *more: str, trials: int = 6) -> list[str]:
    """`training.tune vgg16-svc`, made small: 2 folds of the 8 exams that aren't of split test."""
    space = out.parent / "space.toml"
    space.parent.mkdir(parents=True, exist_ok=True)
    if not space.exists():
        space.write_text(SPACE)
    words = [word for change in TINY for word in ("--set", change)]
    table = ["--exams", str(knees / "exams.csv"), "--folds", "2", "--jobs", "1", "--space", str(space)]
    return ["vgg16-svc", *table, "--out", str(out), "--trials", str(trials), *words, *more]


def rows(out: Path) -> list[dict[str, str]]:
    """`trials.csv`, without what no two runs share."""
    with (out / "trials.csv").open(newline="") as stream:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(stream)]


def put(function, patch: pytest.MonkeyPatch) -> None:
    """A learner in `learn`'s place. No network is made, none is cleared."""
    patch.setattr(search, "learn", function)
    patch.setattr(keras.utils, "clear_session", lambda: None)


@pytest.fixture
def learner(monkeypatch):
    """Puts another learner in `learn`'s place; the knowing one, to begin with."""
    put(knowing, monkeypatch)
    return lambda function: put(function, monkeypatch)


@pytest.fixture(scope="module")
def searched(knees, tmp_path_factory) -> Path:
    """The folder of an undisturbed search, of 24 trials."""
    out = tmp_path_factory.mktemp("tune") / "search"
    with pytest.MonkeyPatch.context() as patch:
        put(knowing, patch)
        tune.main(arguments(knees, out, trials=24))
    return out


def test_a_planted_optimum_is_found_and_written_down(searched):
    table = rows(searched)
    assert len(table) == 24
    complete = [row for row in table if row["state"] == "complete"]
    best = min(complete, key=lambda row: float(row["score"]))
    c = float(best["svc.c"])
    assert BEST_C / 3 < c < BEST_C * 3
    assert float(best["score"]) == pytest.approx(-math.log(0.95 - 0.08 * abs(math.log10(c / BEST_C))))

    text = (searched / "best.toml").read_text()
    assert tomllib.loads(text)["svc"]["c"] == c
    assert load_config(str(searched / "best.toml"), [])[0].trunk.name == "alexnet"
    assert f"trial {best['trial']}: loss {float(best['score']):.4f}" in text
    assert f"best of 24 trials ({len(complete)} complete)" in text
    assert "2 folds of 8 phantom exams of exams.csv" in text
    assert "optimistic" in text

    for name in ("history", "slices", *(["importance"] if len(complete) >= 20 else [])):
        picture = cv2.imread(str(searched / f"{name}.png"))
        assert picture.std() > 5


def test_a_trial_that_lags_behind_is_given_up_after_its_first_fold(searched):
    table = rows(searched)
    pruned = [row for row in table if row["state"] == "pruned"]
    assert pruned
    assert {row["folds"] for row in pruned} == {"1"}
    assert {row["folds"] for row in table if row["state"] == "complete"} == {"2"}
    scores = {
        state: [float(row["score"]) for row in table if row["state"] == state] for state in ("pruned", "complete")
    }
    assert min(scores["pruned"]) > np.median(scores["complete"])


def test_split_test_is_neither_learnt_from_nor_scored_and_need_not_be_readable(knees, tmp_path, learner):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "exams.csv").write_bytes((knees / "exams.csv").read_bytes())
    exams = read_exams(knees / "exams.csv")
    for exam in exams:
        folder = tmp_path / "table" / exam.exam_id
        if exam.split == "test":
            (folder / "dicom").mkdir(parents=True)
            (folder / "dicom" / "1.dcm").write_bytes(b"nobody shall read this")
        else:
            folder.symlink_to(knees / exam.exam_id)
    met = []

    def noting(config: Config, exams: Sequence[Exam], place: Place) -> Knowing:
        met.append({exam.exam_id: exam.split for exam in exams})
        return knowing(config, exams, place)

    learner(noting)
    tune.main(arguments(tmp_path / "table", tmp_path / "search", trials=1))
    known = {exam.exam_id for exam in exams if exam.split != "test"}
    assert len(met) == 2
    assert set().union(*met) == known
    assert set(met[0]) & set(met[1]) < known  # each fold holds some out
    assert all(set(splits.values()) == {"train", "val"} for splits in met)


def test_the_same_command_makes_the_same_trials_and_more_trials_go_on_from_there(
    searched, knees, tmp_path, learner, capsys
):
    for trials in (3, 8):
        tune.main(arguments(knees, tmp_path / "parts", trials=trials))
        assert rows(tmp_path / "parts") == rows(searched)[:trials]
    said = capsys.readouterr().out
    assert "8 exams in 8 groups" in said
    assert "4 exams of split test, or tied to one that is are left out" in said

    def idle(*_: object) -> Knowing:
        raise AssertionError("there was nothing left to do")

    learner(idle)
    tune.main(arguments(knees, tmp_path / "parts", trials=8))
    assert rows(tmp_path / "parts") == rows(searched)[:8]


# Ends itself as `kill -9` would, in the second fold of the third trial.
KILLED = """
import os, signal
from training import tune
from training.search import search, storage
from tests.training.test_tune import knowing

calls = []

def deadly(config, exams, place):
    calls.append(config)
    if len(calls) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return knowing(config, exams, place)

search.learn = deadly
storage.HEARTBEAT_S = 1
tune.main()
"""


def test_killed_in_the_middle_the_same_command_ends_with_the_trials_that_were_asked_for(
    searched, knees, tmp_path, learner, monkeypatch
):
    killed = warm.run("-c", KILLED, *arguments(knees, tmp_path / "search", trials=5))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "search" / "best.toml").exists()

    monkeypatch.setattr(storage, "GRACE_S", 1)
    tune.main(arguments(knees, tmp_path / "search", trials=5))
    table = rows(tmp_path / "search")
    assert [row["state"] for row in table] == ["complete"] * 5
    third = rows(searched)[2]["svc.c"]
    assert [row["svc.c"] for row in table].count(third) == 1


def test_what_runs_out_of_memory_or_diverges_is_a_row_and_the_search_goes_on(knees, tmp_path, learner, capsys):
    class Lost(Knowing):
        def probabilities(self, exams: Sequence[Exam]) -> np.ndarray:
            return super().probabilities(exams) * math.nan

    def fallible(config: Config, exams: Sequence[Exam], place: Place) -> Knowing:
        if config.svc.c > 1:
            raise MemoryError
        return Lost(config) if config.svc.c < 1e-3 else Knowing(config)

    learner(fallible)
    tune.main(arguments(knees, tmp_path / "search", trials=12))
    reasons = {"": 0, "out of memory": 0, "probabilities that aren't numbers": 0}
    for row in rows(tmp_path / "search"):
        reasons[row["failed"]] += 1
        c = float(row["svc.c"])
        assert row["failed"] == ("out of memory" if c > 1 else "" if c > 1e-3 else "probabilities that aren't numbers")
    assert sum(reasons.values()) == 12
    assert min(reasons.values()) > 0
    assert "failed: out of memory; svc.c=" in capsys.readouterr().out


def ended(arguments: list[str], capsys) -> str:
    """What the program says when it gives up."""
    with pytest.raises(SystemExit) as raised:
        tune.main(arguments)
    assert raised.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    (said,) = [line for line in lines if not line.startswith("looking: ")]  # as a slow machine tells
    return said


def test_when_no_trial_comes_to_an_end_that_is_said(knees, tmp_path, learner, capsys):
    def hungry(*_: object) -> Knowing:
        raise MemoryError

    learner(hungry)
    said = ended(arguments(knees, tmp_path / "search", trials=2), capsys)
    assert "none of 2 trials was completed: out of memory" in said


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--space", "nowhere"], "no space 'nowhere'"),
        (["--trials", "0"], "at least 1 trial"),
        (["--folds", "9"], "9 folds need at least as many groups"),
        (["--set", "svc.c=0.1", "--set", 'svc.pooling="max"'], "nothing to search"),
        (["--set", 'scheme="ternary"'], "ternary"),
        (["--folds", "3", "--metric", "auc"], "fold 1 holds out too few exams for --metric auc: take fewer folds"),
    ],
)
def test_what_will_not_do_is_one_sentence(knees, tmp_path, learner, capsys, more, reason):
    assert reason in ended(arguments(knees, tmp_path / "search", *more), capsys)


def test_another_search_s_folder_is_refused(knees, tmp_path, learner, capsys):
    tune.main(arguments(knees, tmp_path / "search", trials=1))
    before = (tmp_path / "search" / "best.toml").read_bytes()
    capsys.readouterr()
    said = ended(arguments(knees, tmp_path / "search", "--metric", "accuracy", "--set", "seed=3"), capsys)
    assert "other preset, metric; give another --out" in said
    assert (tmp_path / "search" / "best.toml").read_bytes() == before


@pytest.mark.parametrize("by_option", [True, False])
def test_the_storage_s_password_is_in_nothing_that_is_said_or_written(
    knees, tmp_path, learner, capsys, monkeypatch, by_option
):
    """SQLite takes no password, but its URL may have one among its options, which its driver takes for a file's."""
    secret = "geheim"
    url = f"sqlite:///file:{tmp_path}/shared.db?password={secret}&uri=true"
    monkeypatch.setenv(tune.STORAGE_VARIABLE, "" if by_option else url)
    tune.main(arguments(knees, tmp_path / "search", *(["--storage", url] if by_option else []), trials=2))
    said = capsys.readouterr()
    assert (tmp_path / "shared.db").is_file()
    assert not (tmp_path / "search" / "search.db").exists()
    assert secret not in said.out + said.err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("metric", "expected"), [("accuracy", 1.0), ("macro_f1", 1.0), ("auc", 1.0), ("loss", -math.log(0.95))]
)
def test_each_metric_is_the_one_of_that_name(knees, tmp_path, learner, metric, expected):
    (tmp_path / "space.toml").write_text(f"[svc.c]\nchoices = [1e2, {BEST_C}, 1e-5]\n")
    tune.main(arguments(knees, tmp_path / "search", "--metric", metric, trials=5))
    scores = [float(row["score"]) for row in rows(tmp_path / "search") if float(row["svc.c"]) == BEST_C]
    assert scores
    assert scores == pytest.approx([expected] * len(scores))
    assert tomllib.loads((tmp_path / "search" / "best.toml").read_text())["svc"]["c"] == BEST_C


def test_with_a_real_svc_what_was_found_trains_to_a_bundle(knees, tmp_path, monkeypatch):
    out = tmp_path / "search"
    tune.main(arguments(knees, out, trials=3))
    table = rows(out)
    assert [row["state"] for row in table] == ["complete"] * 3
    assert all(0 < float(row["score"]) < 5 for row in table)
    assert "fitting linear_svc on" in (out / "trials" / "trial-0.txt").read_text()

    command = ["train", str(out / "best.toml"), "--exams", str(knees / "exams.csv"), "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "bundle")])
    train.main()
    settings = tomllib.loads((tmp_path / "bundle" / "train.toml").read_text())
    assert settings["svc"]["c"] == float(min(table, key=lambda row: float(row["score"]))["svc.c"])
