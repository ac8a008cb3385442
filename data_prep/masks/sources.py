"""Masks from what the project has already: exam tables with masks or boxes, and synthetic knees."""

from collections.abc import Iterable

import numpy as np

from data_prep.masks.annotated import Annotated
from data_prep.masks.row import MaskRow
from data_prep.masks.structures import Shows
from data_prep.phantom import Phantom
from data_prep.tables.exams import Exam, Split


def rows_of_exams(exams: Iterable[Exam]) -> list[MaskRow]:
    """A row for each exam whose ligament's mask or box is known; the mask if both are.

    Raises:
        ValueError: no exam has a mask or a box.
    """
    rows = [_row(exam) for exam in exams if exam.mask or exam.box]
    if not rows:
        raise ValueError("no exam of this table has a mask or a box")
    return rows


def _row(exam: Exam) -> MaskRow:
    slice_mm, row_mm, column_mm = exam.spacing_mm or (None, None, None)
    return MaskRow(
        exam_id=exam.exam_id,
        patient_id=exam.patient_id,
        image=exam.path,
        mask=exam.mask,
        box=None if exam.mask else exam.box,
        structure=Shows("acl"),
        split=exam.split,
        slice_mm=slice_mm,
        row_mm=row_mm,
        column_mm=column_mm,
        study_uid=exam.study_uid,
        series_uid=exam.series_uid,
        laterality=exam.laterality,
    )


def annotated_phantom(phantom: Phantom, split: Split = "", exam_id: str = "") -> Annotated:
    """A synthetic knee with its ligament.

    Args:
        phantom: the knee.
        split: its split.
        exam_id: its id; '' for one made from the seed.
    """
    name = exam_id or f"phantom-{phantom.seed}"
    volume = phantom.to_volume()
    return Annotated(
        exam_id=name,
        patient_id=name,
        split=split,
        voxels=volume.voxels,
        spacing_mm=volume.spacing_mm,
        labels=phantom.acl.astype(np.uint8),
        drawn=np.ones(len(phantom.acl), np.bool_),
        structures=("acl",),
    )
