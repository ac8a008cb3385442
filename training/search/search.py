"""The search for hyperparameters: a trial draws values, learns on each fold, and is scored on the held-out exams."""

import hashlib
import math
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace

import keras
import numpy as np
from optuna.exceptions import TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState

from data_prep.labels import SCHEMES, LabelScheme
from data_prep.progress import Progress
from data_prep.statistics import Doubles
from data_prep.tables.exams import Exam
from training.config.config import Config, load_config
from training.config.place import Place
from training.config.search_space import Space, flat
from training.data.folds import Fold, check_folds, make_folds, thin_folds
from training.evaluation.metrics import class_figures
from training.fitting.backend import out_of_memory
from training.fitting.learn import learn
from training.search.storage import FAILED, claim, counted, open_search, work

# The metrics by which trials are compared, and their names in `class_figures`. The loss is minimised, others maximised.
METRICS = {"loss": "loss", "accuracy": "accuracy", "macro_f1": "macro F1", "auc": "binary AUC"}
# The attribute of a trial that holds its changes of the preset, as `--set` writes them.
CHANGES = "changes"


@dataclass(frozen=True)
class Search:
    """Which values are tried, and how they are scored.

    Attributes:
        preset: a name in presets/ or a TOML file.
        changes: `--set`; the keys that it fixes aren't searched.
        space: the keys to search, and their values.
        trials: how many, pruned ones included.
        folds: how many; a trial's score is the mean over them.
        metric: one of METRICS.
    """

    preset: str
    changes: Sequence[str]
    space: Space
    trials: int
    folds: int = 3
    metric: str = "loss"


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        trials: all trials that count, in order.
        best: the complete trial with the best score.
    """

    trials: Sequence[FrozenTrial]
    best: FrozenTrial

    @property
    def changes(self) -> list[str]:
        """The best trial's changes of the preset, as `--set` writes them."""
        return list(self.best.user_attrs[CHANGES])

    @property
    def score(self) -> float:
        """The best trial's score. It is optimistic, because it is the best of many trials on the same folds."""
        assert self.best.value is not None
        return self.best.value


def search(plan: Search, together: Sequence[Sequence[Exam]], storage: str, name: str, place: Place) -> SearchResult:
    """Run trials until `plan.trials` of them count, with those of other processes that share the search.

    Args:
        plan: what is searched.
        together: groups of exams that stay together, see `folds.eligible`; all of them may be learnt from and scored.
        storage: URL of the search's database.
        name: the search's name in the database.
        place: folders, processors and precision; `place.run` gets logs and checkpoints.

    Raises:
        ValueError: for a space, a preset, exams or a storage that can't be used, if no trial is completed, and as
            `learn` raises it.
    """
    if plan.trials < 1:
        raise ValueError("a search needs at least 1 trial")
    config, _ = load_config(plan.preset, list(plan.changes))
    space = plan.space.around(plan.preset, plan.changes)
    folds = list(make_folds(together, plan.folds, 1, config.seed))
    check_folds(config, folds)
    scheme = SCHEMES[config.scheme]
    for fold in folds:  # a constant guess shows whether the fold can be scored, before hours of learning
        score(fold, np.full((len(fold.held_out), len(scheme)), 1 / len(scheme)), scheme, plan.metric)
    if warning := thin_folds(folds, scheme):
        print(warning)
    objective = Objective(replace(plan, space=space), config, folds, place)
    with open_search(storage, name, plan.metric == "loss", config.seed) as study:
        claim(study, _settings(plan, config, together, place))
        with Progress(plan.trials, "trials", "trial", min(len(counted(study)), plan.trials), quiet=True) as progress:

            def say(trial: FrozenTrial) -> None:
                print(_line(trial, plan), flush=True)
                progress.update()

            work(study, objective, plan.trials, say)
        trials = counted(study)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ValueError(f"none of {len(trials)} trials was completed: {trials[-1].user_attrs[FAILED]}")
    sign = 1 if plan.metric == "loss" else -1
    return SearchResult(trials, min(complete, key=lambda trial: sign * (trial.value or 0.0)))


@dataclass(frozen=True)
class Objective:
    """A trial's score; `config` is the preset's, before a trial changes it."""

    plan: Search
    config: Config
    folds: Sequence[Fold]
    place: Place

    def __call__(self, trial: Trial) -> float:
        """The mean over folds; NaN for a failed trial. Raises TrialPruned, and what `learn` raises."""
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
                trial.set_user_attr(FAILED, "probabilities that aren't numbers")
                return math.nan
            trial.report(mean, len(scores))
            if len(scores) < len(self.folds) and trial.should_prune():
                raise TrialPruned
        return mean

    def _score(self, trial: Trial, config: Config, fold: Fold) -> float:
        """The score of the exams that the fold holds out; NaN if a probability isn't a number."""
        keras.utils.clear_session()
        board = self.place.board and self.place.board / f"trial-{trial.number}" / f"fold-{fold.number}"
        learnt = learn(config, fold.known, replace(self.place, board=board))
        probabilities = learnt.probabilities(fold.held_out)
        learnt.fitted.forget()
        return score(fold, probabilities, SCHEMES[config.scheme], self.plan.metric)


def score(fold: Fold, probabilities: Doubles, scheme: LabelScheme, metric: str) -> float:
    """The metric of the exams that the fold holds out.

    Args:
        fold: the fold.
        probabilities: of its held-out exams, `[N, K]`.
        scheme: the classes.
        metric: one of METRICS.

    Returns:
        The metric; NaN if a probability isn't a number.

    Raises:
        ValueError: if these exams don't allow the metric.
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
    """What must be the same for a search to be continued or shared."""
    exams = [[(exam.exam_id, sorted(exam.binary), sorted(exam.four_class)) for exam in group] for group in together]
    return {
        "preset": repr(config),
        "exams": hashlib.sha256(repr(exams).encode()).hexdigest(),
        "space": repr(plan.space),
        "folds": plan.folds,
        "metric": plan.metric,
        "mixed precision": place.mixed_precision,
        **({"localiser": place.localiser.sha256} if place.localiser else {}),
    }


def _line(trial: FrozenTrial, plan: Search) -> str:
    """One trial as a line of output."""
    if FAILED in trial.user_attrs:
        outcome = f"failed: {trial.user_attrs[FAILED]}"
    elif trial.value is None:
        return f"trial {trial.number}: not needed, there are enough trials"
    else:
        folds = len(trial.intermediate_values)
        pruned = f", pruned after {folds} of {plan.folds} folds" if trial.state == TrialState.PRUNED else ""
        outcome = f"{plan.metric} {trial.value:.4f}{pruned}"
    return f"trial {trial.number}: {outcome}; {' '.join(trial.user_attrs[CHANGES])}"
