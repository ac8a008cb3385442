"""The splits of annotated exams: checked, dealt if the table has none, and for each fold of a cross-validation.

All exams of a patient are in one split.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from data_prep.masks.row import MaskRow
from data_prep.tables.exams import Split
from models.seen import Seen
from training.data.folds import VALIDATION, deal


@dataclass(frozen=True)
class MaskExam:
    """One exam of the table of masks.

    Attributes:
        exam_id: its id.
        patient_id: its patient.
        split: its split, here.
        rows: what is drawn in it.
    """

    exam_id: str
    patient_id: str
    split: Split
    rows: tuple[MaskRow, ...]


def mask_exams(exams: dict[str, list[MaskRow]]) -> list[MaskExam]:
    """The exams of the table's rows, see `data_prep.masks.table.by_exam`."""
    return [MaskExam(name, rows[0].patient_id, rows[0].split, tuple(rows)) for name, rows in exams.items()]


def of_split(exams: Sequence[MaskExam], split: Split) -> list[MaskExam]:
    """The exams of a split."""
    return [exam for exam in exams if exam.split == split]


def with_splits(exams: Sequence[MaskExam], seed: int, before: Sequence[Seen] = ()) -> list[MaskExam]:
    """The exams with their splits. If the table has none at all, a few patients are taken for validation.

    Args:
        exams: the exams.
        seed: deals the patients.
        before: the exams that an earlier segmenter, which is gone on from, has learnt from and was chosen on. If the
            table has no splits, they keep their roles.

    Raises:
        ValueError: there is nothing to learn from, or nothing to choose on.
    """
    counts = Counter(exam.split for exam in exams)
    if not any(counts[split] for split in ("train", "val", "test")):
        dealt = _with_validation(exams, seed, _roles(exams, before))
        chosen = ", ".join(exam.exam_id for exam in of_split(dealt, "val")[:5])
        print(f"no exam has a split: {len(of_split(dealt, 'val'))} of {len(exams)} choose the epoch ({chosen})")
        return dealt
    if empty := [split for split in ("train", "val") if not counts[split]]:
        has = ", ".join(f"{count} {split or 'in no split'}" for split, count in counts.items())
        raise ValueError(f"no exam of split {' and '.join(map(repr, empty))} in the table, which has {has}")
    return list(exams)


@dataclass(frozen=True)
class MaskFold:
    """One fold: all exams that take part, with their splits in this fold; "test" is held out.

    Attributes:
        number: from 1.
        exams: the exams.
    """

    number: int
    exams: tuple[MaskExam, ...]


def mask_folds(exams: Sequence[MaskExam], folds: int, seed: int, with_test: bool = False) -> list[MaskFold]:
    """Folds in which each patient is held out once.

    Args:
        exams: the exams.
        folds: how many.
        seed: deals the patients.
        with_test: whether exams of the table's split "test" take part.

    Raises:
        ValueError: there are too few patients.
    """
    taking_part = [exam for exam in exams if with_test or exam.split != "test"]
    patients = list(dict.fromkeys(exam.patient_id for exam in taking_part))
    if not 2 <= folds <= len(patients) or len(patients) < 3:
        raise ValueError(f"{folds} folds need at least as many patients, and at least 3; there are {len(patients)}")
    group_of = np.array([patients.index(exam.patient_id) for exam in taking_part])
    fold_of = dict(zip(patients, deal([0] * len(taking_part), group_of, folds, seed), strict=True))
    made = []
    for number in range(folds):
        held_out = [replace(exam, split="test") for exam in taking_part if fold_of[exam.patient_id] == number]
        others = [exam for exam in taking_part if fold_of[exam.patient_id] != number]
        made.append(MaskFold(number + 1, (*_with_validation(others, seed), *held_out)))
    return made


def _with_validation(
    exams: Sequence[MaskExam], seed: int, known: Mapping[str, Split] = MappingProxyType({})
) -> list[MaskExam]:
    """The exams, a share of the patients in split "val", at least one, and the rest in "train".

    Args:
        exams: the exams.
        seed: deals the patients.
        known: the splits that patients have already.
    """
    patients = list(dict.fromkeys(exam.patient_id for exam in exams))
    if len(patients) < 2:
        raise ValueError(f"at least two patients are needed, one to choose the epoch on; there are {len(patients)}")
    new = [patient for patient in patients if patient not in known]
    count = max(round(VALIDATION * len(patients)), 1) - sum(split == "val" for split in known.values())
    chosen = np.random.default_rng(seed).permutation(new)[: max(count, 0)].tolist()
    splits = {**dict.fromkeys(patients, "train"), **known, **dict.fromkeys(chosen, "val")}
    return [replace(exam, split="val" if splits[exam.patient_id] == "val" else "train") for exam in exams]


def _roles(exams: Sequence[MaskExam], before: Sequence[Seen]) -> dict[str, Split]:
    """The splits of the patients whose exams an earlier segmenter has seen."""
    found: dict[str, Split] = {}
    for exam in exams:
        roles = {seen.spoilt_by_id(exam.exam_id) for seen in before}
        if "learnt" in roles:
            found[exam.patient_id] = "train"
        elif "chosen" in roles:
            found.setdefault(exam.patient_id, "val")
    return found
