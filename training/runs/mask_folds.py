"""Cross-validation of a segmenter: every fold learns by itself and segments the patients that it holds out.

The run's folder has a log and what was measured of every fold. A killed run continues where it stopped.
"""

import csv
import hashlib
import json
import math
import shlex
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from data_prep.files import replacing
from data_prep.masks.check import check_masks
from data_prep.masks.table import by_exam, read_masks
from data_prep.statistics import Figure
from data_prep.workers import Workers
from training.config.place import Place
from training.config.segmentation import SegmentConfig, load_segment_config
from training.data.mask_splits import MaskFold, mask_exams, mask_folds, of_split
from training.evaluation.mask_scores import MaskScore
from training.evaluation.segmentation import MeasuredMask, as_table, calibration_curves, mask_figures
from training.runs.bundling import commit, today
from training.runs.cross_validation import FIGURES, SETTINGS, check_ours, write_report
from training.runs.segmenting import learn_masks, measured_masks, trained_on

MEASURED, EXAMS = "measured.npz", "exams.csv"


@dataclass(frozen=True)
class MaskPlan:
    """Everything that a run's figures depend on, except the library versions.

    Attributes:
        preset: a name in segmenters/ or a TOML file.
        changes: `--set`.
        masks: the table of masks.
        folds: how many.
        with_test: whether split "test" takes part.
    """

    preset: str
    changes: tuple[str, ...]
    masks: Path
    folds: int = 5
    with_test: bool = False

    def command(self) -> str:
        """The command line without places."""
        words = ["python", "-m", "training.segment_crossval", self.preset, "--folds", str(self.folds)]
        words += ["--all"] if self.with_test else []
        return shlex.join([*words, *(word for change in self.changes for word in ("--set", change))])

    def settings(self, config: SegmentConfig, place: Place) -> dict[str, object]:
        """What must be the same for a run to be continued."""
        table = hashlib.sha256(self.masks.read_bytes()).hexdigest()
        chosen = {"folds": self.folds, "all": self.with_test, "mixed_precision": place.mixed_precision}
        return {"preset": repr(config), "masks": table, **chosen}


@dataclass(frozen=True)
class MaskFoldRun:
    """Everything that one fold needs, in whatever process it runs.

    Attributes:
        fold: the fold.
        preset: the configuration and its text.
        plan: the plan of the whole run.
        place: folders and hardware.
        folder: the fold's folder.
        bundle: where its segmenter is written, if it is.
    """

    fold: MaskFold
    preset: tuple[SegmentConfig, str]
    plan: MaskPlan
    place: Place
    folder: Path
    bundle: Path | None

    @property
    def measured(self) -> Path:
        return self.folder / MEASURED

    def finish(self) -> None:
        """Train and measure, unless that is done. What was measured is written last, and as a whole."""
        if self.measured.is_file() and (not self.bundle or (self.bundle / "manifest.json").is_file()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        keras.utils.clear_session()
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            learnt = learn_masks(self.preset[0], self.fold.exams, self.place)
            if self.bundle:
                provenance = {
                    "trained_on": trained_on(self.fold.exams, self.plan.masks),
                    "trained_at": today(),
                    "commit": commit(),
                    "command": self.plan.command(),
                    **learnt.fitted.notes,
                    "seen": [learnt.seen.to_json()],
                }
                replace(learnt.segmenter, train_toml=self.preset[1], provenance=provenance).save(self.bundle)
            rows, left_out = measured_masks(learnt.segmenter, of_split(self.fold.exams, "test"), [learnt.seen])
            if left_out:
                print(f"{left_out} held-out exams are left out: their pixels are those of exams that were learnt from")
        _write(rows, {"threshold": learnt.threshold, "left_out": left_out}, self.measured)
        learnt.fitted.forget()


def cross_validate_masks(plan: MaskPlan, out: Path, place: Place, bundles: bool = False) -> list[Figure]:
    """Run or continue a cross-validation of a segmenter.

    Args:
        plan: what is cross-validated.
        out: the run's folder.
        place: folders, processors and precision.
        bundles: whether each fold's segmenter is written, into `fold-N/bundle`.

    Returns:
        Figures of all held-out exams.

    Raises:
        ValueError: if the preset, the masks or the folder can't be used.
        OSError: if a file can't be read or written.
    """
    config, text = load_segment_config(plan.preset, plan.changes)
    settings = plan.settings(config, place)
    check_ours(out, settings)
    rows = read_masks(plan.masks)
    check_masks(rows, place.workers).check()
    exams = mask_exams(by_exam(rows))
    folds = mask_folds(exams, plan.folds, config.seed, plan.with_test)
    write_report(out / SETTINGS, settings)
    print(f"{len(folds[0].exams)} exams of {len({exam.patient_id for exam in folds[0].exams})} patients")
    runs = []
    for fold in folds:
        folder = out / f"fold-{fold.number}"
        board = place.board / folder.name if place.board else None
        alone = replace(place, run=folder / "unfinished", workers=Workers(jobs=1), board=board)
        runs.append(MaskFoldRun(fold, (config, text), plan, alone, folder, folder / "bundle" if bundles else None))
    for _ in place.workers.run(MaskFoldRun.finish, runs, "cross-validating", "fold"):
        pass
    return _report([_read(run.measured) for run in runs], plan, out, trained_on(exams, plan.masks))


def _report(
    measured: Sequence[tuple[list[MeasuredMask], dict[str, Any]]], plan: MaskPlan, out: Path, source: str
) -> list[Figure]:
    """Write `figures.json` and `exams.csv`; print Dice and accuracy of each fold and their means."""
    rows = [row for fold, _ in measured for row in fold]
    kind = "synthetic exams" if source == "synthetic" else "exams"
    figures = mask_figures(rows, f"{kind} of {plan.masks.name}, held out in {plan.folds} folds")
    folds = [
        {"fold": number, **_summary(fold), **words} for number, (fold, words) in enumerate(measured, start=1) if fold
    ]
    means = {name: float(np.mean([fold[name] for fold in folds])) for name in ("dice", "accuracy")}
    for fold in folds:
        print(f"fold {fold['fold']}: Dice {fold['dice']:.3f}, accuracy {fold['accuracy']:.4f}, {fold['exams']} exams")
    print(f"mean of {len(folds)} folds: Dice {means['dice']:.3f}, accuracy {means['accuracy']:.4f}")
    write_report(
        out / FIGURES,
        {
            "command": plan.command(),
            "folds": folds,
            "mean": means,
            "figures": [asdict(figure) for figure in figures],
            "calibration": calibration_curves(rows),
        },
    )
    table = as_table(rows)
    with replacing(out / EXAMS) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return figures


def _summary(rows: Sequence[MeasuredMask]) -> dict[str, float | int]:
    """Mean Dice of exams and structures, accuracy of all their pixels together, and how many exams there are."""
    both, wrong, missed, rest = np.sum([row.score.counts for row in rows], axis=0).tolist()
    return {
        "dice": float(np.mean([row.score.dice for row in rows])),
        "accuracy": (both + rest) / (both + wrong + missed + rest),
        "exams": len({row.exam_id for row in rows}),
    }


def _write(rows: Sequence[MeasuredMask], words: dict[str, Any], path: Path) -> None:
    """Keep what was measured. Raises nothing for no rows."""
    plain = [[row.exam_id, row.patient_id, row.structure, _plain(row.score), row.peak_on] for row in rows]
    with replacing(path) as partial, partial.open("wb") as stream:
        text = np.array(json.dumps({"rows": plain, "words": words}, allow_nan=False))
        histograms = np.array([row.histograms for row in rows], np.int64)
        np.savez_compressed(stream, allow_pickle=False, text=text, histograms=histograms)


def _read(path: Path) -> tuple[list[MeasuredMask], dict[str, Any]]:
    with np.load(path) as file:
        content, histograms = json.loads(str(file["text"])), file["histograms"]
    rows = [
        MeasuredMask(exam, patient, name, _score(score), of_exam, peak)
        for (exam, patient, name, score, peak), of_exam in zip(content["rows"], histograms, strict=True)
    ]
    return rows, content["words"]


def _plain(score: MaskScore) -> dict[str, Any]:
    """A score for JSON, which has no NaN: what isn't defined is null."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(score).items()
    }


def _score(plain: dict[str, Any]) -> MaskScore:
    known = {name: math.nan if value is None else value for name, value in plain.items()}
    return MaskScore(**(known | {"counts": tuple(plain["counts"])}))
