"""Masks from what the project has already: exam tables with masks, boxes or Segmentations, and synthetic knees."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import SegmentationStorage

from data_prep.files import replacing
from data_prep.masks.row import MaskRow
from data_prep.masks.structures import UNNAMED, Shows, in_order
from data_prep.phantom import Phantom, generate
from data_prep.phantom.scanner import PROFILES
from data_prep.phantom.tissues import structures_of
from data_prep.tables.exams import Exam
from data_prep.workers import Workers

_REFERENCES = ["SOPClassUID", "StudyInstanceUID", "ReferencedSeriesSequence"]
# Beside the truth of a synthetic exam.
STRUCTURES_FILE = "structures.npz"
ID_START = "phantom-"


def rows_of_exams(exams: Iterable[Exam]) -> list[MaskRow]:
    """A row for each exam whose ligament's mask or box is known; the mask if both are.

    Raises:
        ValueError: no exam has a mask or a box.
    """
    rows = [_row(exam, exam.mask, Shows("acl")) for exam in exams if exam.mask or exam.box]
    if not rows:
        raise ValueError("no exam of this table has a mask or a box")
    return rows


def rows_of_phantoms(exams: Sequence[Exam], structures: Sequence[str], workers: Workers | None = None) -> list[MaskRow]:
    """A row for each synthetic exam, with a mask of all these structures.

    The knees are made again from the seeds in their patient ids; `structures.npz` is written beside each `truth.npz`.

    Args:
        exams: exams of source `phantom`.
        structures: names out of `STRUCTURES`.
        workers: processes that make knees; None for this one alone.

    Raises:
        ValueError: an exam isn't synthetic, or its ligament isn't the one that its seed gives.
    """
    for exam in exams:
        if exam.source != "phantom" or exam.mask is None or not exam.patient_id.startswith(ID_START):
            raise ValueError(f"exam {exam.exam_id}: it isn't a synthetic exam with its truth (source phantom)")
    write = partial(_write_structures, structures=in_order(set(structures)))
    written = list((workers or Workers(jobs=1)).run(write, exams, "making masks"))
    return [_row(exam, path, UNNAMED) for exam, path in zip(exams, written, strict=True)]


def rows_of_segmentations(folder: Path, exams: Sequence[Exam]) -> tuple[list[MaskRow], list[Path]]:
    """A row for each DICOM Segmentation in a folder that was drawn on one of the exams.

    Args:
        folder: where to look, with all folders below.
        exams: an exam table of DICOM studies.

    Returns:
        The rows in the order of the files' names, and the Segmentations that belong to none of the exams.

    Raises:
        ValueError: there is no Segmentation, or one belongs to several exams.
    """
    rows: list[MaskRow] = []
    others: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (references := _references(path)) is not None:
            study, series = references
            fitting = [exam for exam in exams if exam.study_uid == study]
            if len(fitting) > 1:
                fitting = [exam for exam in fitting if exam.series_uid in series] or fitting
            if len(fitting) > 1:
                named = ", ".join(exam.exam_id for exam in fitting)
                raise ValueError(f"{path}: it may belong to several exams of its study: {named}")
            if not fitting:
                others.append(path)
                continue
            exam = fitting[0]
            if series and exam.series_uid not in series:
                exam = replace(exam, series_uid=series[0])
            rows.append(_row(exam, path.absolute(), UNNAMED))
    if not rows and not others:
        raise ValueError(f"{folder}: it holds no DICOM Segmentation")
    return rows, others


def _references(path: Path) -> tuple[str, tuple[str, ...]] | None:
    """The study and the referenced series of a Segmentation; None if the file isn't one."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_REFERENCES)
        if header.SOPClassUID != SegmentationStorage:
            return None
        series = header.get("ReferencedSeriesSequence", ())
        return str(header.StudyInstanceUID), tuple(str(one.SeriesInstanceUID) for one in series)
    except Exception:  # pydicom may raise any exception; most files in a folder aren't DICOM
        return None


def _row(exam: Exam, mask: Path | None, shows: Shows) -> MaskRow:
    slice_mm, row_mm, column_mm = exam.spacing_mm or (None, None, None)
    return MaskRow(
        exam_id=exam.exam_id,
        patient_id=exam.patient_id,
        image=exam.path,
        mask=mask,
        box=None if mask else exam.box,
        structure=shows,
        split=exam.split,
        slice_mm=slice_mm,
        row_mm=row_mm,
        column_mm=column_mm,
        study_uid=exam.study_uid,
        series_uid=exam.series_uid,
        laterality=exam.laterality,
    )


def _write_structures(exam: Exam, structures: tuple[str, ...]) -> Path:
    """Write a bool array `[S, R, C]` for each structure of a synthetic exam. Gives the archive's path."""
    labels = structures_of(_made_again(exam), structures)
    assert exam.mask is not None
    path = exam.mask.with_name(STRUCTURES_FILE)
    with replacing(path) as unfinished, unfinished.open("wb") as stream:
        np.savez_compressed(stream, **{name: labels == 1 + index for index, name in enumerate(structures)})
    return path


def _made_again(exam: Exam) -> Phantom:
    """The knee of a synthetic exam. Its profile was drawn, or is that of its scanner; its truth says which."""
    assert exam.mask is not None
    with np.load(exam.mask) as truth:
        acl = truth["acl"]
    (label,) = exam.four_class
    seed = int(exam.patient_id.removeprefix(ID_START), 16)
    for profile in (None, *(one for one in PROFILES if one.name == exam.scanner)):
        phantom = generate(seed, label, profile)
        if np.array_equal(phantom.acl, acl):
            return phantom
    raise ValueError(f"exam {exam.exam_id}: its seed gives another knee; this version makes knees that differ")
