"""What one look at an exam's pixels and headers tells: enough for splits, audits and reports to never read them again.

Looks are kept as small files in a folder beside the table, under a digest of the exam's files (`load.signature`), so a
second command, or one that goes on after a kill, decodes nothing twice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from data_prep.errors import InputError
from data_prep.files import replacing
from data_prep.prepare.fingerprint import perceptual_hash, slice_digests
from data_prep.prepare.load import load_exam, signature
from data_prep.quality import Flag, flag_of, screen
from data_prep.tables.exams import Exam
from data_prep.volume import Acquisition, Laterality, Volume
from data_prep.workers import Workers

# Part of every kept look's name: raise it when a look at the same pixels tells something else.
VERSION = 2
UNKNOWN_SCANNER = "unknown"
# Words of company names that tell no scanner from another.
_FILLER = re.compile(r"\b(?:medical|systems?|healthcare|healthineers|ge?mbh|inc|corporation|corp|ltd|ag)\b|[^a-z0-9.]+")


@dataclass(frozen=True)
class Look:
    """shape: (slices, rows, columns), None if the pixels can't be used, and then `flags` says why.

    intensity: mean and standard deviation of the voxels after min-max to 0..255, as MRNet's are published.
    slices: a digest of each slice that shows something; perceptual: a hash that near-identical volumes nearly share.
    """

    flags: tuple[Flag, ...]
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    study_uid: str = ""
    series_uid: str = ""
    laterality: Laterality = "unknown"
    acquisition: Acquisition = field(default_factory=Acquisition)
    intensity: tuple[float, float] = (0.0, 0.0)
    slices: tuple[str, ...] = ()
    perceptual: str = ""

    @property
    def scanner(self) -> str:
        """Maker, model and field strength, written alike; `unknown` if the header doesn't name the model."""
        made = self.acquisition
        maker, model = (_FILLER.sub(" ", (name or "").lower()).split() for name in (made.manufacturer, made.model))
        if not model:
            return UNKNOWN_SCANNER
        strength = [f"{made.field_strength_t:.1f}t"] if made.field_strength_t else []
        words = [word for word in maker if word not in model] + model
        return " ".join(words + [word for word in strength if word not in words])


_LOOK = TypeAdapter(Look)


def look_at(exams: Sequence[Exam], folder: Path, workers: Workers) -> list[Look]:
    """One look for each exam, kept in `folder`; exams that were looked at before cost a few file reads.

    Pixels that can't be used or aren't there are a flag of the look; ValueError for a row that lacks a spacing.
    """
    kept = [_kept(exam, folder) for exam in exams]
    missing = [exam for exam, look in zip(exams, kept, strict=True) if look is None]
    made = workers.run(partial(_look, folder=folder), missing, "looking") if missing else iter(())
    return [look or next(made) for look in kept]


def completed(exam: Exam, look: Look) -> Exam:
    """The exam's row with what the look found; what the table already says stays."""
    return replace(
        exam,
        study_uid=exam.study_uid or look.study_uid,
        series_uid=exam.series_uid or look.series_uid,
        laterality=look.laterality if exam.laterality == "unknown" else exam.laterality,
        scanner=look.scanner if exam.scanner == UNKNOWN_SCANNER else exam.scanner,
        flags=" | ".join(f"{flag.kind}: {flag.reason}" for flag in look.flags),
    )


def keep(exam: Exam, look: Look, folder: Path) -> None:
    """Remember the look, also for an exam whose row says more now than when it was looked at."""
    with replacing(_path(exam, folder)) as partial_path:
        partial_path.write_bytes(_LOOK.dump_json(look))


def _kept(exam: Exam, folder: Path) -> Look | None:
    if not exam.path.exists():
        return Look((Flag("unreadable", f"There is no file or folder {exam.path.name}."),))
    path = _path(exam, folder)
    try:
        return _LOOK.validate_json(path.read_bytes()) if path.is_file() else None
    except ValidationError:
        return None


def _look(exam: Exam, folder: Path) -> Look:
    try:
        look = _see(load_exam(exam))
    except InputError as error:
        look = Look((flag_of(error),))
    keep(exam, look, folder)
    return look


def _see(volume: Volume) -> Look:
    voxels = volume.voxels
    low, high = float(voxels.min()), float(voxels.max())
    scale = 255 / (high - low) if high > low else 0.0
    return Look(
        flags=screen(volume),
        shape=volume.shape,
        spacing_mm=volume.spacing_mm,
        study_uid=volume.study_uid,
        series_uid=volume.series_uid,
        laterality=volume.laterality,
        acquisition=volume.acquisition,
        intensity=((float(voxels.mean(dtype=float)) - low) * scale, float(voxels.std(dtype=float)) * scale),
        slices=slice_digests(volume),
        perceptual=perceptual_hash(volume),
    )


def _path(exam: Exam, folder: Path) -> Path:
    return folder / f"{signature(exam)}-{VERSION}.json"
