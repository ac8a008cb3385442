"""Search for the hyperparameters of a preset.

    python -m training.tune PRESET --exams exams.csv --trials 50 --out runs/NAME [--space SPACE] [--set key=value ...]

A trial draws values from a space, learns on each fold's exams and is judged on those that the fold holds out; exams of
split "test" take no part. The same command goes on where a killed one stopped. Started several times, by machines that
see the same SQL storage, it shares the trials out.
"""

import argparse
import csv
import hashlib
import math
import os
import shlex
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tomlkit
from optuna.exceptions import TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState

from data_prep.exams import Exam, read_exams
from data_prep.exams.look import look_at
from data_prep.figures import Doubles
from data_prep.files import replacing
from data_prep.labels import SCHEMES, LabelScheme
from data_prep.progress import Progress
from data_prep.workers import Workers
from training.backend import out_of_memory
from training.config import Config, load_config
from training.folds import Fold, check_folds, check_some, eligible, make_folds, thin_folds
from training.learn import learn
from training.metrics import class_figures
from training.place import Place
from training.search_space import Space, flat, load_space
from training.shared_study import FAILED, claim, counted, open_study, work
from training.train import LESS_MEMORY, faults_as_sentences
from training.tune_plots import write_plots

# By what a trial is judged, and what `class_figures` calls it. The loss shall fall, the others rise.
METRICS = {"loss": "loss", "accuracy": "accuracy", "macro_f1": "macro F1", "auc": "binary AUC"}
# The attribute of a trial that holds what it changes of the preset, as `--set` writes it.
CHANGES = "changes"
STORAGE_VARIABLE = "CRUCIATE_STUDY_STORAGE"


@dataclass(frozen=True)
class Search:
    """Which values are tried, and how they are judged: by the mean of a metric over folds.

    changes: `--set`; what it fixes isn't searched. trials: how many, pruned ones included. metric: one of METRICS.
    """

    preset: str
    changes: Sequence[str]
    space: Space
    trials: int
    folds: int = 3
    metric: str = "loss"


@dataclass(frozen=True)
class Found:
    """What a search came to. trials: all that count, in order; best: the complete one with the best score."""

    trials: Sequence[FrozenTrial]
    best: FrozenTrial

    @property
    def changes(self) -> list[str]:
        """What the best trial changes of the preset, as `--set` writes it."""
        return list(self.best.user_attrs[CHANGES])

    @property
    def score(self) -> float:
        """The best trial's. A maximum over trials on the same folds: better than what is to be expected."""
        assert self.best.value is not None
        return self.best.value


def search(plan: Search, together: Sequence[Sequence[Exam]], storage: str, name: str, place: Place) -> Found:
    """Try values until `plan.trials` of them were tried, by this process and others that share the study.

    together: groups of exams that stay together, as `folds.eligible` makes them, any of which may be learnt from and
    judged on. storage, name: the study's database, by its URL, and its name there. place.run: logs and checkpoints.
    Raises ValueError for a space, a preset, exams or a storage that won't do, and what `learn` raises.
    """
    if plan.trials < 1:
        raise ValueError("a search needs at least 1 trial")
    config, _ = load_config(plan.preset, list(plan.changes))
    space = plan.space.around(plan.preset, plan.changes)
    folds = list(make_folds(together, plan.folds, 1, config.seed))
    check_folds(config, folds)
    scheme = SCHEMES[config.scheme]
    for fold in folds:  # a guess shows whether it can be judged, before hours of learning
        judge(fold, np.full((len(fold.held_out), len(scheme)), 1 / len(scheme)), scheme, plan.metric)
    if warning := thin_folds(folds, scheme):
        print(warning)
    objective = Objective(replace(plan, space=space), config, folds, place)
    with open_study(storage, name, plan.metric == "loss", config.seed) as study:
        claim(study, _settings(plan, config, together, place))
        with Progress(plan.trials, "trials", "trial", min(len(counted(study)), plan.trials), quiet=True) as progress:

            def say(trial: FrozenTrial) -> None:
                print(_line(trial, plan), flush=True)
                progress.update()

            work(study, objective, plan.trials, say)
        trials = counted(study)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ValueError(f"none of {len(trials)} trials came to an end: {trials[-1].user_attrs[FAILED]}")
    sign = 1 if plan.metric == "loss" else -1
    return Found(trials, min(complete, key=lambda trial: sign * (trial.value or 0.0)))


@dataclass(frozen=True)
class Objective:
    """A trial's score. config: the preset's, before a trial changes it."""

    plan: Search
    config: Config
    folds: Sequence[Fold]
    place: Place

    def __call__(self, trial: Trial) -> float:
        """The mean over folds; NaN for a trial that came to nothing. Raises TrialPruned, and what `learn` raises."""
        changes = self.plan.space.draw(trial, flat(self.config))
        trial.set_user_attr(CHANGES, changes)
        config, _ = load_config(self.plan.preset, [*self.plan.changes, *changes])
        self.place.run.mkdir(parents=True, exist_ok=True)
        log = self.place.run / f"trial-{trial.number}.txt"
        with log.open("a", encoding="utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
            try:
                return self._mean(trial, config)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                trial.set_user_attr(FAILED, "out of memory")
                return math.nan

    def _mean(self, trial: Trial, config: Config) -> float:
        scores: list[float] = []
        for fold in self.folds:
            scores.append(self._score(trial, config, fold))
            mean = float(np.mean(scores))
            if math.isnan(mean):
                trial.set_user_attr(FAILED, "probabilities that are no numbers")
                return math.nan
            trial.report(mean, len(scores))
            if len(scores) < len(self.folds) and trial.should_prune():
                raise TrialPruned
        return mean

    def _score(self, trial: Trial, config: Config, fold: Fold) -> float:
        """Of the exams that the fold holds out; NaN if the model has no answer."""
        keras.utils.clear_session()
        board = self.place.board and self.place.board / f"trial-{trial.number}" / f"fold-{fold.number}"
        learnt = learn(config, fold.known, replace(self.place, board=board))
        probabilities = learnt.probabilities(fold.held_out)
        learnt.fitted.forget()
        return judge(fold, probabilities, SCHEMES[config.scheme], self.plan.metric)


def judge(fold: Fold, probabilities: Doubles, scheme: LabelScheme, metric: str) -> float:
    """Of the exams that the fold holds out, `[N, K]`; NaN for probabilities that are none.

    ValueError if these exams don't allow the metric.
    """
    if not np.isfinite(probabilities).all():
        return math.nan
    ids = [exam.exam_id for exam in fold.held_out]
    allowed = np.stack([scheme.members(exam.allowed(scheme)) for exam in fold.held_out])
    for figure in class_figures(scheme, ids, allowed, probabilities, "").figures:
        if figure.name == METRICS[metric]:
            return figure.value
    raise ValueError(f"fold {fold.number} holds out too few exams for --metric {metric}: take fewer folds")


def _settings(plan: Search, config: Config, together: Sequence[Sequence[Exam]], place: Place) -> dict[str, object]:
    """What must be the same for a search to go on, or to be shared."""
    exams = [[(exam.exam_id, sorted(exam.binary), sorted(exam.four_class)) for exam in group] for group in together]
    return {
        "preset": repr(config),
        "exams": hashlib.sha256(repr(exams).encode()).hexdigest(),
        "space": repr(plan.space),
        "folds": plan.folds,
        "metric": plan.metric,
        "mixed precision": place.mixed_precision,
    }


def _line(trial: FrozenTrial, plan: Search) -> str:
    """One trial for a person who watches."""
    if FAILED in trial.user_attrs:
        outcome = f"failed: {trial.user_attrs[FAILED]}"
    elif trial.value is None:
        return f"trial {trial.number}: not needed, the others are enough"
    else:
        folds = len(trial.intermediate_values)
        pruned = f", given up after {folds} of {plan.folds} folds" if trial.state == TrialState.PRUNED else ""
        outcome = f"{plan.metric} {trial.value:.4f}{pruned}"
    return f"trial {trial.number}: {outcome}; {' '.join(trial.user_attrs[CHANGES])}"


def tune(options: argparse.Namespace, command: str) -> None:
    """The whole story. ValueError, OSError and InputError as their makers say."""
    config, _ = load_config(options.preset, options.set)
    plan = Search(
        options.preset,
        options.set,
        load_space(options.space or config.route),
        options.trials,
        options.folds,
        options.metric,
    )
    exams = read_exams(options.exams)
    looks = look_at(exams, options.exams.parent / ".looks", Workers.from_options(options))
    together, left_out = eligible(exams, looks, SCHEMES[config.scheme])
    check_some(together, left_out)
    taking_part = [exam for group in together for exam in group]
    print(f"{len(taking_part)} exams in {len(together)} groups that stay together")
    for reason, count in left_out.items():
        print(f"{count} exams {reason} are left out")

    options.out.mkdir(parents=True, exist_ok=True)
    storage = options.storage or os.environ.get(STORAGE_VARIABLE) or f"sqlite:///{options.out / 'study.db'}"
    place = Place.from_options(options)
    place = place if options.run else replace(place, run=options.out / "trials")
    found = search(plan, together, storage, options.out.name, place)

    sources = "/".join(sorted({exam.source for exam in taking_part}))
    judged_on = f"{options.folds} folds of {len(taking_part)} {sources} exams of {options.exams.name}"
    write_trials(found, options.out / "trials.csv")
    write_best(found, plan, options.out / "best.toml", command, judged_on)
    write_plots(found.trials, options.metric, options.metric == "loss", options.out)
    print(f"best of {len(found.trials)}: trial {found.best.number}, {options.metric} {found.score:.4f} on {judged_on}")
    best = options.out / "best.toml"
    print(f"in {best}; chosen on these very folds, so expect less of it elsewhere")
    exams_table, bundle = shlex.quote(str(options.exams)), shlex.quote(f"bundles/{options.out.name}")
    print(f"train with it:  python -m training.train {shlex.quote(str(best))} --exams {exams_table} --out {bundle}")


def write_trials(found: Found, path: Path) -> None:
    """A row for each trial that counts; a value that it didn't need is empty."""
    values = [dict(change.split("=", 1) for change in trial.user_attrs[CHANGES]) for trial in found.trials]
    keys = sorted({key for row in values for key in row})
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["trial", "state", "score", "folds", "seconds", FAILED, *keys])
        for trial, row in zip(found.trials, values, strict=True):
            seconds = trial.duration.total_seconds() if trial.duration else math.nan
            figures = [trial.value, len(trial.intermediate_values), round(seconds, 1)]
            drawn = [tomlkit.value(row[key]).unwrap() if key in row else "" for key in keys]
            writer.writerow(
                [trial.number, trial.state.name.lower(), *figures, trial.user_attrs.get(FAILED, ""), *drawn]
            )


def write_best(found: Found, plan: Search, path: Path, command: str, judged_on: str) -> None:
    """The preset with the best trial's values, and a header that says where they come from."""
    _, text = load_config(plan.preset, [*plan.changes, *found.changes])
    complete = sum(trial.state == TrialState.COMPLETE for trial in found.trials)
    heading = f"""\
# Made by {command}
# from the preset below, with the values of trial {found.best.number}: {plan.metric} {found.score:.4f}, the mean of
# {judged_on}, each judged by a model that hadn't seen it.
# It is the best of {len(found.trials)} trials ({complete} complete) on the same folds, and so an optimistic figure.
# What to expect is told by exams of split "test", which took no part.
#
#   python -m training.train {path} --exams exams.csv --out bundles/{path.parent.name}

"""
    with replacing(path) as partial:
        partial.write_text(heading + text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Search for the hyperparameters of a preset on validation folds.")
    parser.add_argument("preset", help="a name in training/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the search's folder; its name is the study's")
    parser.add_argument("--trials", type=int, default=50, help="how many in all, of every process and earlier run")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--metric", choices=METRICS, default="loss")
    parser.add_argument("--space", help="a name in training/spaces or a TOML file (default: the route's)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="fix a key of the preset")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help=f"the study's database (default: {STORAGE_VARIABLE}, where no process list shows a password, or a SQLite "
        "file in OUT)",
    )
    Place.add_options(parser)
    options = parser.parse_args(arguments)
    changes = [word for change in options.set for word in ("--set", change)]
    space = ["--space", options.space] if options.space else []
    words = ["--trials", str(options.trials), "--folds", str(options.folds), "--metric", options.metric]
    precision = ["--mixed-precision"] if options.mixed_precision else []
    command = shlex.join(["python", "-m", "training.tune", options.preset, *words, *space, *precision, *changes])
    with faults_as_sentences(parser, LESS_MEMORY):
        tune(options, command)


if __name__ == "__main__":
    main()
