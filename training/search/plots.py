"""Plots of a search: its history, the importance of each key, and the scores of each key's values."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from data_prep.files import replacing

# With fewer complete trials, the importances are mostly noise.
ENOUGH = 20
COLUMNS = 3


def write_plots(trials: Sequence[FrozenTrial], metric: str, minimise: bool, folder: Path) -> None:
    """Write history.png, slices.png and, with enough complete trials, importance.png into the folder."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pictures = {"history": history(trials, metric, minimise), "slices": slices(complete, metric)}
    always = set.intersection(*(set(trial.params) for trial in complete))
    if len(complete) >= ENOUGH and len(always) > 1 and len({trial.value for trial in complete}) > 1:
        pictures["importance"] = importance(complete, metric)
    for name, figure in pictures.items():
        with replacing(folder / f"{name}.png") as partial:
            figure.savefig(partial, format="png", dpi=120)


def history(trials: Sequence[FrozenTrial], metric: str, minimise: bool) -> Figure:
    """Each trial's score, and the best one so far."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for state, marker, colour in ((TrialState.COMPLETE, "o", "C0"), (TrialState.PRUNED, "x", "0.6")):
        points = [(trial.number, trial.value) for trial in trials if trial.state == state and trial.value is not None]
        if points:
            axes.scatter(*zip(*points, strict=True), marker=marker, color=colour, label=state.name.lower())
    numbers, scores = _numbers_and_scores([trial for trial in trials if trial.state == TrialState.COMPLETE])
    best = np.minimum if minimise else np.maximum
    axes.step(numbers, best.accumulate(scores), where="post", color="C1", label="best so far")
    axes.set(xlabel="trial", ylabel=f"{metric}, mean of folds", title="History")
    axes.legend()
    return figure


def importance(complete: Sequence[FrozenTrial], metric: str) -> Figure:
    """The share of the scores' variance that a key explains, by fANOVA (Hutter 2014), for keys that every trial has.

    Optuna's default, PED-ANOVA, isn't used: in a test it missed an important key whose good value was found early.
    """
    study = optuna.create_study()
    study.add_trials(complete)
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    figure = Figure(figsize=(7, 1 + 0.4 * len(shares)), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(shares), list(shares.values()))
    axes.invert_yaxis()
    axes.set(xlabel=f"share of the variance of {metric}", title="Importance")
    return figure


def slices(complete: Sequence[FrozenTrial], metric: str) -> Figure:
    """The complete trials' scores against each key's values; later trials are darker."""
    keys = sorted({key for trial in complete for key in trial.params})
    rows = math.ceil(len(keys) / COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 3 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).flat
    for axes in panels[len(keys) :]:
        axes.set_axis_off()
    for axes, key in zip(panels, keys, strict=False):
        _slice(axes, key, [trial for trial in complete if key in trial.params])
    figure.supylabel(f"{metric}, mean of folds")
    return figure


def _slice(axes: Axes, key: str, trials: Sequence[FrozenTrial]) -> None:
    numbers, scores = _numbers_and_scores(trials)
    distribution = trials[0].distributions[key]
    values = [distribution.to_internal_repr(trial.params[key]) for trial in trials]
    axes.scatter(values, scores, c=numbers, cmap="Blues", vmin=-len(numbers), edgecolors="0.4")
    axes.set_xlabel(key)
    if isinstance(distribution, CategoricalDistribution):
        names = [str(choice).strip('"') for choice in distribution.choices]
        axes.set_xticks(range(len(names)), names, rotation=20, ha="right", rotation_mode="anchor")
        axes.margins(x=0.2)
    elif distribution.log:  # type: ignore[attr-defined]
        axes.set_xscale("log")


def _numbers_and_scores(trials: Sequence[FrozenTrial]) -> tuple[list[int], list[float]]:
    return [trial.number for trial in trials], [trial.value for trial in trials if trial.value is not None]
