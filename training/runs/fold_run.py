"""One fold of a cross-validation: learn from its exams, predict the exams that it holds out."""

import csv
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from data_prep.files import replacing
from data_prep.labels import SCHEMES, LabelScheme
from data_prep.tables.exams import Exam
from training.config.config import Config, load_config
from training.config.place import Place
from training.data.folds import Fold
from training.fitting.learn import learn
from training.runs.bundling import write
from training.search.search import Search, search

PREDICTIONS = "predictions.csv"
KEY_COLUMNS = ("exam_id", "repeat", "fold", "seed", "allowed")


@dataclass(frozen=True)
class FoldRun:
    """Everything that one fold needs, in whatever process it runs.

    Attributes:
        fold: the fold.
        preset: the configuration with the fold's seed, and its text.
        search: a search for better values on the fold's own exams, if any.
        groups: the fold's own exams, in groups that stay together.
        command: the cross-validation's command.
        place: folders, processors and precision.
        folder: the fold's folder.
        bundle: where its model is written, if it is.
    """

    fold: Fold
    preset: tuple[Config, str]
    search: Search | None
    groups: Sequence[Sequence[Exam]]
    command: str
    place: Place
    folder: Path
    bundle: Path | None

    @property
    def predictions(self) -> Path:
        return self.folder / PREDICTIONS

    def finish(self) -> None:
        """Train and predict, unless that is done. The file of predictions is written last, and as a whole."""
        if self.predictions.is_file() and (not self.bundle or (self.bundle / "manifest.json").is_file()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        keras.utils.clear_session()
        scheme, held_out = SCHEMES[self.preset[0].scheme], self.fold.held_out
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            config, text = self._tuned() if self.search else self.preset
            learnt = learn(config, self.fold.known, self.place)
            if self.bundle:
                write(learnt, text, self.fold.known, self.bundle, self.command)
            probabilities = learnt.probabilities(held_out).tolist()
        rows = [[*self._key(exam, scheme), *row] for exam, row in zip(held_out, probabilities, strict=True)]
        _write_csv(self.predictions, [*KEY_COLUMNS, *scheme.classes], rows)
        learnt.fitted.forget()

    def _tuned(self) -> tuple[Config, str]:
        """The preset with the best values of the search, which doesn't use the held-out exams."""
        assert self.search
        storage, place = f"sqlite:///{self.folder / 'search.db'}", replace(self.place, run=self.folder / "trials")
        found = search(self.search, self.groups, storage, "inner", place)
        print(f"best of {len(found.trials)} trials: {found.changes}")
        return load_config(self.search.preset, [*self.search.changes, *found.changes])

    def _key(self, exam: Exam, scheme: LabelScheme) -> list[object]:
        allowed = "|".join(sorted(exam.allowed(scheme), key=scheme.index))
        return [exam.exam_id, self.fold.repeat, self.fold.number, self.fold.seed, allowed]


def _write_csv(path: Path, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([heading, *rows])
