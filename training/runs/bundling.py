"""From a trained classifier to its bundle: provenance, the exams that it has seen, and the files."""

import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.labels import SCHEMES
from data_prep.prepare.cache import pixel_digests
from data_prep.tables.exams import Exam
from models.bundle import Bundle, write_bundle
from models.routes.finetuned import FineTuned
from models.seen import ROLE_OF_SPLIT, Role, Seen
from training.config.config import Config
from training.config.place import Place
from training.config.svc_fit import KERNELS
from training.fitting.learn import Learnt
from training.runs.measuring import Measured, sources_of


def check_bundleable(config: Config) -> None:
    """Raises ValueError for a classifier that a bundle can't hold."""
    if config.svc and config.svc.kind not in KERNELS:
        raise ValueError(f"{config.svc.kind} is for comparison only; a bundle holds one of {', '.join(KERNELS)}")


def check_finite(learnt: Learnt) -> None:
    """Raises ValueError for a network with weights that aren't finite numbers."""
    classifier = learnt.fitted.classifier
    weights = classifier.network.get_weights() if isinstance(classifier, FineTuned) else []
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError("training ended with weights that aren't finite numbers: lower fit.learning_rate")


def in_memory(learnt: Learnt, exams: Sequence[Exam], name: str) -> Bundle:
    """The trained model as the bundle that `write` would write, without figures and digest."""
    assert learnt.fitted.classifier
    config = learnt.config
    return Bundle(
        name=name,
        sha256="",
        manifest=_training(learnt, exams),
        scheme=SCHEMES[config.scheme],
        recipe=config.recipe,
        calibration=learnt.calibration,
        metrics={},
        model_card="",
        classifier=learnt.fitted.classifier,
        seen=seen(exams, learnt.place, {}),
        localiser=learnt.place.localiser,
    )


def write(
    learnt: Learnt,
    text: str,
    exams: Sequence[Exam],
    out: Path,
    command: str,
    found: Measured | None = None,
) -> None:
    """Write the bundle.

    Args:
        learnt: the trained model.
        text: the preset's TOML text.
        exams: the whole exam table.
        out: the bundle's folder.
        command: the command that made it.
        found: what was measured of it, if anything was.
    """
    assert learnt.fitted.classifier
    config = learnt.config
    provenance = {
        **_training(learnt, exams),
        "exams": dict(Counter(exam.split for exam in exams)),
        "seed": config.seed,
        "commit": commit(),
        "command": command,
        **learnt.fitted.notes,
    }
    found = found or Measured()
    results = {"figures": [asdict(figure) for figure in found.figures]}
    parts = (learnt.fitted.classifier, config.route, config.recipe, learnt.calibration)
    known, localiser = (
        seen(exams, learnt.place, {row.exam_id: row.pixels for row in found.rows}),
        learnt.place.localiser,
    )
    write_bundle(out, *parts, results, provenance, text, found.colour_scale, known, localiser, found.operating_point)


def _training(learnt: Learnt, exams: Sequence[Exam]) -> dict[str, Any]:
    """What every prediction says about the training: the sources of its exams, its date, and notices."""
    synthetic = {exam.source for exam in exams} == {"phantom"}
    notices = [asdict(notice) for notice in learnt.notices]
    seen_exams = "synthetic" if synthetic else sources_of(exams, ", ")
    return {"trained_on": seen_exams, "trained_at": today(), **({"notices": notices} if notices else {})}


def seen(exams: Sequence[Exam], place: Place, tested: Mapping[str, str]) -> Seen:
    """The exams that were learnt from, chosen on and tested. Their network inputs must have been made."""
    roles: dict[str, Role] = {
        exam.exam_id: ROLE_OF_SPLIT[exam.split] for exam in exams if exam.split in ("train", "val")
    }
    roles |= dict.fromkeys(tested, "tested")
    known = [exam for exam in exams if exam.split in ("train", "val")]
    return Seen.of(exams, {**pixel_digests(known, place.inputs), **tested}, roles)


def today() -> str:
    """The date in UTC, as 2026-11-30.

    `SOURCE_DATE_EPOCH` (seconds since 1970, reproducible-builds.org) sets another one: then the same command gives the
    same bundle on any day.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    return now.date().isoformat()


def commit() -> str:
    """The commit of this code; "unknown" outside of a repository."""
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
