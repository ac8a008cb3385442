"""A look: what splits, audits and reports need from an exam's pixels and headers, so that these are read only once.

Looks are kept as small files in a folder beside the table, named by a digest of the exam's files (`load.signature`). A
second command, or one that is repeated after it was stopped, decodes nothing twice.
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

# Part of every kept look's file name. Raise it when a look at the same pixels gives another result.
VERSION = 2
UNKNOWN_SCANNER = "unknown"
# Words of company names that don't help to distinguish scanners.
_FILLER = re.compile(r"\b(?:medical|systems?|healthcare|healthineers|ge?mbh|inc|corporation|corp|ltd|ag)\b|[^a-z0-9.]+")


@dataclass(frozen=True)
class Look:
    """What is known of an exam's pixels and headers.

    Attributes:
        flags: Faults that the quality screen found.
        shape: (slices, rows, columns); None if the pixels can't be used: `flags` then says why.
        spacing_mm: Spacing of slices, rows and columns, in mm.
        study_uid: StudyInstanceUID; '' if unknown.
        series_uid: SeriesInstanceUID of the series that was chosen; '' if unknown.
        laterality: The knee's side.
        acquisition: How the series was acquired.
        intensity: Mean and standard deviation of the voxels after scaling minimum to maximum to 0..255, as published
            for MRNet.
        slices: A digest of each slice that shows something.
        perceptual: A hash that is nearly the same for near-identical volumes.
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
        """Manufacturer, model and field strength, in a uniform spelling; `unknown` without a model in the header."""
        made = self.acquisition
        maker, model = (_FILLER.sub(" ", (name or "").lower()).split() for name in (made.manufacturer, made.model))
        if not model:
            return UNKNOWN_SCANNER
        strength = [f"{made.field_strength_t:.1f}t"] if made.field_strength_t else []
        words = [word for word in maker if word not in model] + model
        return " ".join(words + [word for word in strength if word not in words])


_LOOK = TypeAdapter(Look)


def look_at(exams: Sequence[Exam], folder: Path, workers: Workers) -> list[Look]:
    """Look at each exam, or read the look that is kept.

    Args:
        exams: The exams. Missing or unusable pixels become a flag of the look.
        folder: The folder of the kept looks.
        workers: Processes that look at exams.

    Returns:
        One look for each exam.

    Raises:
        ValueError: For a row without a spacing, where one is needed.
    """
    kept = [_kept(exam, folder) for exam in exams]
    missing = [exam for exam, look in zip(exams, kept, strict=True) if look is None]
    made = workers.run(partial(_look, folder=folder), missing, "looking") if missing else iter(())
    return [look or next(made) for look in kept]


def completed(exam: Exam, look: Look) -> Exam:
    """The exam's row, completed by what the look found. Values that are already in the row stay."""
    return replace(
        exam,
        study_uid=exam.study_uid or look.study_uid,
        series_uid=exam.series_uid or look.series_uid,
        laterality=look.laterality if exam.laterality == "unknown" else exam.laterality,
        scanner=look.scanner if exam.scanner == UNKNOWN_SCANNER else exam.scanner,
        flags=" | ".join(f"{flag.kind}: {flag.reason}" for flag in look.flags),
    )


def keep(exam: Exam, look: Look, folder: Path) -> None:
    """Keep the look on disk, also for an exam whose row was completed after the look."""
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
