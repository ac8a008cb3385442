"""A search by several processes: no trial is lost, counted twice or drawn twice, whichever process is killed."""

import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from training.search import storage as shared_search
from training.search.storage import FAILED, MOST_KILLED, Draws, claim, counted, open_search, work

pytestmark = pytest.mark.slow

TRIALS = 6


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'search.db'}"


def opened(folder: Path) -> AbstractContextManager[optuna.Study]:
    return open_search(url_in(folder), "parabola", minimise=True, seed=1)


def parabola(trial: Trial) -> float:
    return (trial.suggest_float("x", -10, 10) - 3) ** 2


def silent(trial: FrozenTrial) -> None:
    """Says nothing."""


def drawn(study: optuna.Study) -> list[float]:
    return [trial.params["x"] for trial in counted(study)]


@pytest.fixture
def impatient(monkeypatch):
    """Processes are given up after two seconds of silence."""
    monkeypatch.setattr(shared_search, "HEARTBEAT_S", 1)
    monkeypatch.setattr(shared_search, "GRACE_S", 2)
    monkeypatch.setattr(shared_search, "POLL_S", 0.2)


def process(folder: Path, objective: str) -> subprocess.Popen[str]:
    """Another process that works on the search of the folder; `objective` is the body of a function of `trial`."""
    script = f"""
import os, signal, sys, time
from tests.training.search.test_storage import *
shared_search.HEARTBEAT_S, shared_search.GRACE_S, shared_search.POLL_S = 1, 2, 0.2
def objective(trial):
    value = parabola(trial)
    {objective}
    return value
with opened(Path(sys.argv[1])) as study:
    work(study, objective, TRIALS, lambda trial: print(trial.number, flush=True))
"""
    command = [sys.executable, "-W", "error", "-c", script, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_search_gets_near_the_minimum_and_the_same_seed_draws_the_same():
    draws = []
    for seed in (1, 1, 2):
        study = optuna.create_study(sampler=Draws(seed))
        study.optimize(parabola, n_trials=30)
        draws.append(drawn(study))
    assert draws[0] == draws[1]
    assert not set(draws[0]) & set(draws[2])
    assert min(abs(value - 3) for value in draws[0]) < 0.5


def test_a_continued_search_draws_what_it_would_have_drawn(tmp_path):
    whole = optuna.create_study(sampler=Draws(1))
    whole.optimize(parabola, n_trials=12)
    for trials in (3, 12, 12):
        with opened(tmp_path) as study:
            work(study, parabola, trials, silent)
            assert drawn(study) == drawn(whole)[:trials]
    assert len(set(drawn(whole))) == 12


def test_killed_in_a_trial_its_values_are_tried_again_and_all_trials_that_were_asked_for_end(tmp_path, impatient):
    victim = process(tmp_path, "trial.number == 2 and os.kill(os.getpid(), signal.SIGKILL)")
    assert victim.communicate() == ("0\n1\n", "")
    assert victim.returncode == -signal.SIGKILL
    with opened(tmp_path) as study:
        assert [trial.state for trial in study.trials][2:] == [TrialState.RUNNING]
        killed = study.trials[2].params
        work(study, parabola, TRIALS, silent)
        assert [trial.state for trial in counted(study)] == [TrialState.COMPLETE] * TRIALS
        assert study.trials[2].state == TrialState.FAIL
        assert killed in [trial.params for trial in counted(study)]
        assert len(study.trials) == TRIALS + 1


def test_values_that_kill_their_process_each_time_make_room_for_others(tmp_path):
    def deadly(trial: Trial) -> float:
        parabola(trial)
        if trial.params == study.trials[0].params:
            raise KeyboardInterrupt
        return 1.0

    with opened(tmp_path) as study:
        for _ in range(MOST_KILLED):
            with pytest.raises(KeyboardInterrupt):
                work(study, deadly, 2, silent)
        work(study, deadly, 2, silent)
        assert len(counted(study)) == 2
        assert len(study.trials) == MOST_KILLED + 2


def test_killed_before_it_drew_anything_nobody_waits_for_it(tmp_path, impatient):
    with opened(tmp_path) as study:
        with pytest.warns(UserWarning, match="Heartbeat"):
            study.ask()  # and no heartbeat ever
        work(study, parabola, TRIALS, silent)
        assert len(counted(study)) == TRIALS


def test_two_processes_that_start_at_once_share_the_trials_of_one_sqlite_file(tmp_path):
    both = [process(tmp_path, "time.sleep(0.3)") for _ in range(2)]
    said = [each.communicate(timeout=120) for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    with opened(tmp_path) as study:
        assert len(counted(study)) == len(set(drawn(study))) == TRIALS
        shares = [set(map(int, out.split())) for out, _ in said]
        assert all(shares)
        assert not shares[0] & shares[1]
        assert shares[0] | shares[1] == {trial.number for trial in study.trials}


def test_interrupted_by_a_person_the_trial_is_tried_again(tmp_path):
    def interrupted(trial: Trial) -> float:
        parabola(trial)
        raise KeyboardInterrupt

    with opened(tmp_path) as study:
        with pytest.raises(KeyboardInterrupt):
            work(study, interrupted, 2, silent)
        assert counted(study) == []
        work(study, parabola, 2, silent)
        assert drawn(study)[0] == study.trials[0].params["x"]
        assert len(counted(study)) == 2


def test_a_trial_that_came_to_nothing_for_a_reason_counts(tmp_path):
    def sometimes(trial: Trial) -> float:
        value = parabola(trial)
        if trial.number % 2:
            trial.set_user_attr(FAILED, "odd")
            return float("nan")
        return value

    with opened(tmp_path) as study:
        work(study, sometimes, 4, silent)
        assert [trial.user_attrs.get(FAILED) for trial in counted(study)] == [None, "odd", None, "odd"]


def test_a_search_keeps_its_settings(tmp_path):
    with opened(tmp_path) as study:
        claim(study, {"folds": 3, "metric": "loss"})
        claim(study, {"folds": 3, "metric": "loss"})
        with pytest.raises(ValueError, match="search parabola was started with other folds; give another --out"):
            claim(study, {"folds": 4, "metric": "loss"})
        with pytest.raises(ValueError, match="other metric"):
            claim(study, {"folds": 3})


@pytest.mark.parametrize(
    "url",
    [
        "nobase://someone:geheim@nowhere.invalid/studies",
        "postgresql+nodriver://someone:geheim@nowhere.invalid/studies",
        "sqlite:////nowhere/at/all/search.db",
        "someone:geheim",
    ],
)
def test_a_storage_that_will_not_open_is_one_sentence_without_its_password(url, monkeypatch):
    monkeypatch.setattr(shared_search, "OPENINGS", 1)
    with pytest.raises(ValueError, match="the search's storage") as raised:
        open_search(url, "parabola", minimise=True, seed=1).__enter__()
    assert "geheim" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_database_s_own_words_lose_what_is_secret(monkeypatch):
    class Refused(SQLAlchemyError):
        orig = "no entry for someone with geheim\nDETAIL: at 10.0.0.1"

    def refuses(*_: object, **__: object) -> None:
        raise Refused

    monkeypatch.setattr(shared_search, "OPENINGS", 1)
    monkeypatch.setattr(shared_search, "RDBStorage", refuses)
    with pytest.raises(ValueError, match=r"postgresql://nowhere\.invalid/studies: no entry for \*\*\* with \*\*\*$"):
        open_search("postgresql://someone:geheim@nowhere.invalid/studies", "a", minimise=True, seed=1).__enter__()
