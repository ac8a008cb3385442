from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.exams.look import Look
from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.quality import Flag
from data_prep.tables.exams import Exam
from training.data.folds import TEST, UNLABELLED, UNUSABLE, Fold, eligible, make_folds

LOOK = Look((), shape=(20, 200, 200))


def some_exams(patients: list[int], binary: list[str]) -> list[Exam]:
    """An exam of each patient given, with its label."""
    return [
        Exam(f"e{index}", f"p{patient}", Path(f"e{index}"), binary=frozenset({label}))
        for index, (patient, label) in enumerate(zip(patients, binary, strict=True))
    ]


def folds_of(exams: list[Exam], folds: int, repeats: int = 1, seed: int = 0) -> list[Fold]:
    together, _ = eligible(exams, [LOOK] * len(exams), BINARY)
    return list(make_folds(together, folds, repeats, seed))


@st.composite
def tables(draw) -> list[Exam]:
    """Up to three exams of each of 6 to 30 patients."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=6, max_size=30))
    patients = np.repeat(np.arange(len(sizes)), sizes).tolist()
    labels = draw(st.lists(st.sampled_from(BINARY.classes), min_size=len(patients), max_size=len(patients)))
    return some_exams(patients, labels)


@pytest.mark.slow
@given(exams=tables(), folds=st.integers(2, 3), seed=st.integers(0, 99))
def test_every_exam_is_held_out_once_a_repeat_and_no_patient_is_torn_apart(exams, folds, seed):
    made = folds_of(exams, folds, repeats=2, seed=seed)
    assert [(fold.repeat, fold.number) for fold in made] == [(r, n) for r in (1, 2) for n in range(1, folds + 1)]
    for fold in made:
        assert sorted(exam.exam_id for exam in fold.exams) == sorted(exam.exam_id for exam in exams)
        splits = defaultdict(set)
        for exam in fold.exams:
            splits[exam.patient_id].add(exam.split)
        assert all(len(found) == 1 for found in splits.values())
        assert set().union(*splits.values()) == {"train", "val", "test"}
    for repeat in (1, 2):
        held_out = Counter(exam.exam_id for fold in made if fold.repeat == repeat for exam in fold.held_out)
        assert held_out == Counter(exam.exam_id for exam in exams)


def test_folds_have_each_label_alike():
    exams = some_exams(list(range(100)), ["healthy"] * 80 + ["unhealthy"] * 20)
    for fold in folds_of(exams, 5):
        assert Counter(min(exam.binary) for exam in fold.held_out) == {"healthy": 16, "unhealthy": 4}
        held_back = Counter(min(exam.binary) for exam in fold.exams if exam.split == "val")
        assert 2 <= held_back["unhealthy"] <= 3


def test_repeats_shuffle_anew_and_seeds_repeat():
    exams = some_exams(list(range(40)), ["healthy", "unhealthy"] * 20)
    first, second = (
        {frozenset(exam.exam_id for exam in fold.held_out) for fold in folds_of(exams, 4, 2) if fold.repeat == repeat}
        for repeat in (1, 2)
    )
    assert first != second
    assert folds_of(exams, 4, 2) == folds_of(exams, 4, 2)
    assert {fold.seed for fold in folds_of(exams, 4, 2, seed=7)} == {7, 8}


def test_exams_that_share_a_slice_stay_together():
    exams = some_exams(list(range(12)), ["healthy", "unhealthy"] * 6)
    looks = [replace(LOOK, slices=(f"slice {index % 11}",)) for index in range(12)]
    together, _ = eligible(exams, looks, BINARY)
    assert [exam.exam_id for exam in together[0]] == ["e0", "e11"]
    for fold in make_folds(together, 3, 1, 0):
        assert len({exam.split for exam in fold.exams if exam.exam_id in {"e0", "e11"}}) == 1


def test_who_is_left_out_and_why():
    """An exam of split test, another of its patient, one without a label, two without pixels: five of nine."""
    exams = some_exams([0, 0, 1, 2, 3, 4, 5, 6, 7], ["healthy"] * 9)
    exams[0] = replace(exams[0], split="test")
    exams[2] = replace(exams[2], binary=frozenset())
    blank = replace(LOOK, flags=(Flag("blank-volume", "Every slice is blank."),))
    faint = replace(LOOK, flags=(Flag("flat", "Little contrast."),))
    looks = [LOOK] * 3 + [Look(())] + [faint] + [LOOK] * 3 + [blank]
    together, left_out = eligible(exams, looks, BINARY)
    assert [exam.exam_id for group in together for exam in group] == ["e4", "e5", "e6", "e7"]
    assert left_out == {TEST: 2, UNLABELLED: 1, UNUSABLE: 2}
    together, left_out = eligible(exams, looks, BINARY, with_test=True)
    assert [len(group) for group in together] == [2, 1, 1, 1, 1]
    assert left_out == {UNLABELLED: 1, UNUSABLE: 2}
    assert eligible(exams, looks, FOUR_CLASS, with_test=True)[0] == []


@pytest.mark.parametrize(
    ("patients", "folds", "reason"),
    [([0, 0, 1, 1], 3, "as many groups"), ([0, 1, 2, 3], 1, "at least 2 folds"), ([0, 1, 2], 3, "a label that")],
)
def test_folds_that_cannot_be_are_refused(patients, folds, reason):
    exams = some_exams(patients, ["healthy", "unhealthy", "unhealthy", "unhealthy"][: len(patients)])
    with pytest.raises(ValueError, match=reason):
        folds_of(exams, folds)
