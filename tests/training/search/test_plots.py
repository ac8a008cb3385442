"""Pictures of a search whose truth is planted: they show what was tried, and rank what mattered."""

import math
from typing import cast

import cv2
import optuna
import pytest
from matplotlib.patches import Rectangle
from optuna.trial import FrozenTrial, Trial

from training.search.plots import ENOUGH, history, importance, slices, write_plots
from training.search.storage import Draws

pytestmark = pytest.mark.slow

optuna.logging.set_verbosity(optuna.logging.ERROR)


def planted(trial: Trial) -> float:
    """`head.pooling` decides, `svc.c` matters a little, `trunk.cut` not at all; `svc.gamma` isn't always there."""
    score = 0.02 * abs(math.log10(trial.suggest_float("svc.c", 1e-4, 1e2, log=True)))
    score += 0.5 * (trial.suggest_categorical("head.pooling", ['"max"', '"mean"']) == '"mean"')
    if trial.suggest_categorical("trunk.cut", ['"conv4"', '"conv5"']) == '"conv4"':
        trial.suggest_float("svc.gamma", 0, 1)
    trial.report(score, 1)
    if trial.number % 5 == 4:
        raise optuna.TrialPruned
    return score


def trials(number: int, objective=planted) -> list[FrozenTrial]:
    study = optuna.create_study(sampler=Draws(1))
    study.optimize(objective, n_trials=number)
    return study.trials


def complete(number: int) -> list[FrozenTrial]:
    return [trial for trial in trials(number) if trial.number % 5 != 4]


def test_importance_ranks_what_was_planted():
    axes = importance(complete(50), "loss").axes[0]
    shares = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.patches, strict=True))
    widths = {key: cast(Rectangle, bar).get_width() for key, bar in shares.items()}
    assert list(widths) == ["head.pooling", "svc.c", "trunk.cut"]
    assert widths["head.pooling"] > 0.8
    assert widths["trunk.cut"] < 0.05


def test_slices_have_a_panel_for_each_key_and_a_point_for_each_trial_that_has_it():
    done = complete(20)
    panels = {axes.get_xlabel(): axes for axes in slices(done, "loss").axes if axes.get_xlabel()}
    assert sorted(panels) == ["head.pooling", "svc.c", "svc.gamma", "trunk.cut"]
    for key, axes in panels.items():
        points = axes.collections[0].get_offsets()
        assert sorted(points[:, 1]) == sorted(trial.value for trial in done if key in trial.params)
    assert panels["svc.c"].get_xscale() == "log"
    assert panels["svc.gamma"].get_xscale() == "linear"
    assert [label.get_text() for label in panels["head.pooling"].get_xticklabels()] == ["max", "mean"]


@pytest.mark.parametrize(("minimise", "better"), [(True, min), (False, max)])
def test_the_history_s_line_is_the_best_complete_trial_so_far(minimise, better):
    tried = trials(20)
    line = history(tried, "loss", minimise).axes[0].lines[0]
    done = [trial.value for trial in tried if trial.number % 5 != 4]
    assert line.get_ydata().tolist() == [better(done[: count + 1]) for count in range(len(done))]


def test_files_are_pictures_and_importance_waits_for_enough_trials(tmp_path):
    write_plots(trials(ENOUGH), "loss", True, tmp_path)  # a fifth of them is pruned
    assert {path.name for path in tmp_path.iterdir()} == {"history.png", "slices.png"}
    write_plots(trials(2 * ENOUGH), "loss", True, tmp_path)
    for name in ("history", "slices", "importance"):
        assert cv2.imread(str(tmp_path / f"{name}.png")).std() > 5


def test_scores_that_are_all_alike_have_no_importance(tmp_path):
    def level(trial: Trial) -> float:
        planted(trial)
        return 1.0

    write_plots(trials(2 * ENOUGH, level), "loss", True, tmp_path)
    assert not (tmp_path / "importance.png").exists()
