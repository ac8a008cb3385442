"""Cross-validation: every fold learns by itself and predicts the exams that it holds out; figures are of all exams.

The run's folder has a log and the held-out predictions of every fold. A killed run continues where it stopped.
"""

import csv
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.exams.look import look_at
from data_prep.files import replacing
from data_prep.labels import SCHEMES, LabelScheme
from data_prep.prepare.cache import pixel_digests
from data_prep.tables.exams import Exam, read_exams
from data_prep.workers import Workers
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.routes.ensemble import Ensemble
from models.seen import ROLE_OF_SPLIT, Seen
from training.config.config import load_config
from training.config.place import Place
from training.config.search_space import load_space
from training.data.folds import Fold, check_folds, check_some, eligible, make_folds, thin_folds
from training.evaluation.metrics import Report, class_figures
from training.fitting.learn import look_ahead
from training.runs.bundling import check_bundleable
from training.runs.fold_run import PREDICTIONS, FoldRun
from training.search.search import Search

FIGURES, SETTINGS = "figures.json", "run.json"


@dataclass(frozen=True)
class Plan:
    """Everything that a run's figures depend on, except the library versions.

    Attributes:
        preset: a name in presets/ or a TOML file.
        changes: `--set`.
        exams: the exam table.
        folds: how many.
        repeats: how many.
        with_test: whether split "test" takes part.
        trials: how many sets of hyperparameters each fold tries on its own exams; 0 to use the preset unchanged.
        space: the space of these trials; "" for the route's.
    """

    preset: str
    changes: tuple[str, ...]
    exams: Path
    folds: int = 5
    repeats: int = 1
    with_test: bool = False
    trials: int = 0
    space: str = ""

    def command(self, place: Place) -> str:
        """The command line without `--exams` and `--out`."""
        words = ["python", "-m", "training.crossval", self.preset, "--folds", str(self.folds)]
        words += ["--repeats", str(self.repeats)] if self.repeats > 1 else []
        words += ["--all"] if self.with_test else []
        words += place.words(place.mixed_precision, place.localiser is not None)
        words += ["--tune", str(self.trials)] if self.trials else []
        words += ["--space", self.space] if self.space else []
        return shlex.join([*words, *(word for change in self.changes for word in ("--set", change))])

    def settings(self, place: Place) -> dict[str, object]:
        """What must be the same for a run to be continued; comments don't count. ValueError as in `load_config`."""
        config, _ = load_config(self.preset, list(self.changes))
        table = hashlib.sha256(self.exams.read_bytes()).hexdigest()
        chosen = {"folds": self.folds, "all": self.with_test, "mixed_precision": place.mixed_precision}
        space = repr(load_space(self.space or config.route)) if self.trials else ""
        tuning = {"tune": self.trials, "space": space} if self.trials else {}
        around = {"localiser": place.localiser.sha256} if place.localiser else {}
        return {"preset": repr(config), "exams": table, **chosen, **tuning, **around}


def score(predictions: Path, scheme: LabelScheme, measured_on: str) -> Report:
    """Figures of a file of held-out predictions. Predictions of one exam are drawn together for the intervals."""
    with predictions.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return class_figures(
        scheme,
        [row["exam_id"] for row in rows],
        np.stack([scheme.members(row["allowed"].split("|")) for row in rows]),
        np.array([[float(row[name]) for name in scheme.classes] for row in rows]),
        measured_on,
    )


def cross_validate(plan: Plan, out: Path, place: Place, ensemble: Path | None = None) -> Report:
    """Run or continue a cross-validation.

    Args:
        plan: what is cross-validated.
        out: the run's folder.
        place: folders, processors and precision.
        ensemble: the folder for a bundle of all folds' models, if one is written.

    Returns:
        Figures of all held-out predictions.

    Raises:
        ValueError: if the preset, the exams or the folder can't be used. Unreadable pixels are an InputError, which is
            a ValueError.
        OSError: if a file can't be read or written.
    """
    config, text = load_config(plan.preset, list(plan.changes))
    scheme, command = SCHEMES[config.scheme], plan.command(place)
    exams = read_exams(plan.exams)
    if ensemble:
        check_bundleable(config)
    settings = plan.settings(place)
    _check_ours(out, settings)

    looks = look_at(exams, plan.exams.parent / ".looks", place.workers)
    together, left_out = eligible(exams, looks, scheme, plan.with_test)
    check_some(together, left_out)
    folds = list(make_folds(together, plan.folds, plan.repeats, config.seed))
    check_folds(config, folds)
    _write_json(out / SETTINGS, settings)  # only now: after an error above, the folder can be used with other settings
    taking_part = [exam for group in together for exam in group]
    print(f"{len(taking_part)} exams in {len(together)} groups that stay together")
    for reason, count in left_out.items():
        print(f"{count} exams {reason} are left out")

    if warning := thin_folds(folds, scheme):
        print(warning)
    # All folds use these files. They are made before the folds run in parallel, so that none is made twice.
    look_ahead(config, taking_part, place)
    runs = [_fold_run(fold, together, plan, out, command, place, ensemble is not None) for fold in folds]
    for _ in place.workers.run(FoldRun.finish, runs, "cross-validating", "fold"):
        pass

    _join([run.predictions for run in runs], out / PREDICTIONS)
    sources = "/".join(sorted({exam.source for exam in taking_part}))
    repeats = f", {plan.repeats} repeats" if plan.repeats > 1 else ""
    tuned = f", each tuned by itself in {plan.trials} trials" if plan.trials else ""
    measured_on = f"{sources} exams of {plan.exams.name}, held out in {plan.folds} folds{repeats}{tuned}"
    report = score(out / PREDICTIONS, scheme, measured_on)
    _write_json(out / FIGURES, {"command": command, "left_out": left_out, **asdict(report)})
    if ensemble:
        known = [exam for fold in folds for exam in fold.known]
        roles = {
            exam.exam_id: ROLE_OF_SPLIT[split] for split in ("val", "train") for exam in known if exam.split == split
        }
        seen = Seen.of(taking_part, pixel_digests(taking_part, place.inputs), roles)
        write_ensemble(ensemble, [run.bundle for run in runs if run.bundle], report, command, text, seen)
    return report


def _fold_run(
    fold: Fold,
    together: Sequence[Sequence[Exam]],
    plan: Plan,
    out: Path,
    command: str,
    place: Place,
    bundle: bool,
) -> FoldRun:
    folder = out / f"repeat-{fold.repeat}" / f"fold-{fold.number}"
    changes = [*plan.changes, f"seed={fold.seed}"]
    preset = load_config(plan.preset, changes)
    known = {exam.exam_id for exam in fold.known}
    groups = [group for group in together if group[0].exam_id in known]
    space = load_space(plan.space or preset[0].route) if plan.trials else None
    inner = Search(plan.preset, changes, space, plan.trials) if space else None
    board = place.board / folder.relative_to(out) if place.board else None
    # Folds run in parallel, so each fold uses one process.
    alone = replace(place, run=folder / "unfinished", workers=Workers(jobs=1), board=board)
    return FoldRun(fold, preset, inner, groups, command, alone, folder, folder / "bundle" if bundle else None)


def _check_ours(out: Path, settings: Mapping[str, object]) -> None:
    """Make the folder; ValueError if it has a run with other settings."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / SETTINGS).is_file():
        return
    before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
    if changed := [name for name in {**before, **settings} if before.get(name) != settings.get(name)]:
        raise ValueError(f"{out} holds a run with other {', '.join(changed)}; give another --out")


def _join(parts: Sequence[Path], whole: Path) -> None:
    tables = [part.read_text(encoding="utf-8").splitlines(keepends=True) for part in parts]
    with replacing(whole) as partial:
        partial.write_text("".join([tables[0][0], *(line for table in tables for line in table[1:])]), encoding="utf-8")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_ensemble(out: Path, folders: Sequence[Path], report: Report, command: str, text: str, seen: Seen) -> None:
    """Write the folds' classifiers as one bundle.

    Args:
        out: the bundle's folder.
        folders: the folds' bundles.
        report: figures of the single members, each on exams that it hadn't seen.
        command: the command that made them.
        text: the preset's TOML text.
        seen: the exams that any of them has learnt from or was chosen on.
    """
    bundles = [load_bundle(folder) for folder in folders]
    first = bundles[0]
    temperatures = [bundle.calibration.temperature for bundle in bundles]
    members = [bundle.classifier for bundle in bundles]
    ensemble = Ensemble(first.manifest["route"], members, temperatures, first.recipe)
    calibration = joint_calibration([bundle.calibration for bundle in bundles])
    figures = [
        dict(figure, measured_on=f"{figure['measured_on']}, single members") for figure in map(asdict, report.figures)
    ]
    provenance = {key: first.manifest[key] for key in ("trained_on", "trained_at", "seed", "commit")}
    if notices := _united([bundle.manifest.get("notices", []) for bundle in bundles]):
        provenance["notices"] = notices
    provenance |= {"exams": {"cross-validated": report.figures[0].exams}, "command": command}
    write_bundle(
        *(out, ensemble, "ensemble", first.recipe, calibration, {"figures": figures}, provenance, text),
        seen=seen,
        localiser=first.localiser,
    )


def joint_calibration(members: Sequence[Calibration]) -> Calibration:
    """The ensemble's calibration; if one member isn't calibrated, the ensemble isn't."""
    doubts = [member.doubt for member in members if member.doubt]
    on = f"each of {len(members)} members by itself, on its own validation exams"
    return Calibration(1.0, on, f"{len(doubts)} of {len(members)} members aren't; {doubts[0]}" if doubts else "")


def _united(notices: Sequence[Sequence[dict[str, str]]]) -> list[dict[str, str]]:
    """The members' notices: one for each code, with the number of members that have it."""
    first: dict[str, str] = {}
    for notice in (notice for member in notices for notice in member):
        first.setdefault(notice["code"], notice["message"])
    counts = {code: sum(any(notice["code"] == code for notice in member) for member in notices) for code in first}
    return [
        {"code": code, "message": f"Of {counts[code]} of {len(notices)} members: {message}"}
        for code, message in first.items()
    ]
