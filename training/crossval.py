"""Cross-validate a preset on an exam table.

    python -m training.crossval PRESET --exams exams.csv --folds 5 --out runs/NAME [--repeats R] [--set key=value ...]

Each fold is one run of `training.train` that never sees the held-out exams, then the bundle's answers on them. The
run's folder has a bundle, a log and the held-out predictions of every fold, and in the end `predictions.csv` and
`figures.json`. The same command goes on where a killed one stopped; more repeats may be asked for later. On a GPU
take `--jobs 1`: folds side by side would share its memory.
"""

import argparse
import csv
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from data_prep.exams import Exam, read_exams
from data_prep.exams.load import load_exam
from data_prep.exams.look import look_at
from data_prep.files import replacing
from data_prep.labels import SCHEMES, LabelScheme
from data_prep.ready import make_ready
from data_prep.workers import Workers
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.ensemble import Ensemble
from models.predictor import Predictor
from training.config import Config, load_config
from training.folds import Fold, eligible, make_folds
from training.metrics import Report, class_figures
from training.place import Place
from training.train import LESS_MEMORY, faults_as_sentences, train

PREDICTIONS, FIGURES, SETTINGS = "predictions.csv", "figures.json", "run.json"
KEY_COLUMNS = ("exam_id", "repeat", "fold", "seed", "allowed")


@dataclass(frozen=True)
class FoldRun:
    """All that one fold needs, wherever it is run. preset: the configuration and its text, with the fold's seed."""

    fold: Fold
    preset: tuple[Config, str]
    command: str
    place: Place
    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def predictions(self) -> Path:
        return self.folder / PREDICTIONS

    def finish(self) -> None:
        """Train and predict what isn't there yet; the predictions appear whole, and last."""
        if self.predictions.is_file():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        keras.utils.clear_session()
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log, redirect_stdout(log):
            if not (self.bundle / "manifest.json").is_file():
                train(*self.preset, self.fold.known, self.bundle, self.command, self.place)
            predictor = Predictor(load_bundle(self.bundle))
            rows = [self._row(exam, predictor) for exam in self.fold.held_out]
        _write_csv(self.predictions, [*KEY_COLUMNS, *predictor.bundle.scheme.classes], rows)

    def _row(self, exam: Exam, predictor: Predictor) -> list[object]:
        scheme = predictor.bundle.scheme
        allowed = "|".join(sorted(exam.allowed(scheme), key=scheme.index))
        probabilities = predictor.predict(load_exam(exam)).probabilities.tolist()
        return [exam.exam_id, self.fold.repeat, self.fold.number, self.fold.seed, allowed, *probabilities]


def judge(predictions: Path, scheme: LabelScheme, measured_on: str) -> Report:
    """Figures of a file of held-out predictions; repeats of one exam are drawn together for intervals."""
    with predictions.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return class_figures(
        scheme,
        [row["exam_id"] for row in rows],
        np.stack([scheme.members(row["allowed"].split("|")) for row in rows]),
        np.array([[float(row[name]) for name in scheme.classes] for row in rows]),
        measured_on,
    )


def crossval(options: argparse.Namespace, command: str) -> None:
    """The whole story. ValueError, OSError and InputError as their makers say."""
    config, text = load_config(options.preset, options.set)
    scheme, workers = SCHEMES[config.scheme], Workers.from_options(options)
    exams = read_exams(options.exams)
    _claim(options.out, _settings(text, options))

    looks = look_at(exams, options.exams.parent / ".looks", workers)
    together, left_out = eligible(exams, looks, scheme, options.all)
    folds = list(make_folds(together, options.folds, options.repeats, config.seed))
    taking_part = [exam for group in together for exam in group]
    print(f"{len(taking_part)} exams in {len(together)} groups that stay together")
    for reason, count in left_out.items():
        print(f"{count} exams {reason} are left out")

    # Folds share these: made before they run side by side, no array is made twice.
    place = Place.from_options(options)
    make_ready(taking_part, config.recipe, place.ready, workers)
    runs = [_fold_run(fold, options, command, place) for fold in folds]
    for _ in workers.run(FoldRun.finish, runs, "cross-validating"):
        pass

    _join([run.predictions for run in runs], options.out / PREDICTIONS)
    sources = "/".join(sorted({exam.source for exam in taking_part}))
    repeats = f", {options.repeats} repeats" if options.repeats > 1 else ""
    measured_on = f"{sources} exams of {options.exams.name}, held out in {options.folds} folds{repeats}"
    report = judge(options.out / PREDICTIONS, scheme, measured_on)
    print(report)
    _write_json(options.out / FIGURES, {"command": command, "left_out": left_out, **asdict(report)})
    if options.ensemble:
        write_ensemble(options.ensemble, [run.bundle for run in runs], report, command, text)


def _fold_run(fold: Fold, options: argparse.Namespace, command: str, place: Place) -> FoldRun:
    folder = options.out / f"repeat-{fold.repeat}" / f"fold-{fold.number}"
    preset = load_config(options.preset, [*options.set, f"seed={fold.seed}"])
    board = place.board / folder.relative_to(options.out) if place.board else None
    # A fold that is one of several processes has no processes of its own.
    alone = replace(place, run=folder / "unfinished", workers=Workers(jobs=1), board=board)
    return FoldRun(fold, preset, command, alone, folder)


def _settings(text: str, options: argparse.Namespace) -> dict[str, object]:
    """What must be the same for a run to go on."""
    table = hashlib.sha256(options.exams.read_bytes()).hexdigest()
    chosen = {name: getattr(options, name) for name in ("folds", "all", "mixed_precision")}
    return {"preset": text, "exams": table, **chosen}


def _claim(out: Path, settings: Mapping[str, object]) -> None:
    """Make the folder this run's; ValueError if it is another's."""
    path = out / SETTINGS
    if not path.is_file():
        _write_json(path, settings)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    if changed := [name for name, value in settings.items() if before.get(name) != value]:
        raise ValueError(f"{out} holds a run with other {', '.join(changed)}; give another --out")


def _join(parts: Sequence[Path], whole: Path) -> None:
    tables = [part.read_text(encoding="utf-8").splitlines(keepends=True) for part in parts]
    with replacing(whole) as partial:
        partial.write_text("".join([tables[0][0], *(line for table in tables for line in table[1:])]), encoding="utf-8")


def _write_csv(path: Path, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([heading, *rows])


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_ensemble(out: Path, folders: Sequence[Path], report: Report, command: str, text: str) -> None:
    """The folds' classifiers as one bundle. Its figures are its members', each on exams that it hadn't seen."""
    bundles = [load_bundle(folder) for folder in folders]
    first = bundles[0]
    temperatures = [bundle.calibration.temperature for bundle in bundles]
    members = [bundle.classifier for bundle in bundles]
    ensemble = Ensemble(first.manifest["route"], members, temperatures, first.recipe)
    calibration = Calibration(1.0, f"each of {len(members)} members by itself, on its own validation exams")
    figures = [
        dict(figure, measured_on=f"{figure['measured_on']}, single members") for figure in map(asdict, report.figures)
    ]
    provenance = {key: first.manifest[key] for key in ("trained_on", "seed", "commit")}
    provenance |= {"exams": {"cross-validated": report.figures[0].exams}, "command": command}
    write_bundle(out, ensemble, "ensemble", first.recipe, calibration, {"figures": figures}, provenance, text)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Cross-validate a preset: figures on exams that a model hadn't seen.")
    parser.add_argument("preset", help="a name in training/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1, help="how often to shuffle anew, each with the next seed")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument("--all", action="store_true", help="take in split test, which stays untouched otherwise")
    parser.add_argument("--ensemble", type=Path, metavar="BUNDLE", help="write the folds' models as one bundle")
    Place.add_options(parser)
    options = parser.parse_args(arguments)
    changes = [word for change in options.set for word in ("--set", change)]
    repeats = ["--repeats", str(options.repeats)] if options.repeats > 1 else []
    flags = [f"--{name}" for name in ("all", "mixed-precision") if getattr(options, name.replace("-", "_"))]
    command = ["python", "-m", "training.crossval", options.preset, "--folds", str(options.folds)]
    with faults_as_sentences(parser, f"{LESS_MEMORY}; or take fewer --jobs"):
        crossval(options, shlex.join([*command, *repeats, *flags, *changes]))


if __name__ == "__main__":
    main()
