from collections import Counter
from pathlib import Path

import pytest

from data_prep.tables.exams import Exam, Split
from models.seen import Seen
from training.data.mask_splits import MaskExam, mask_folds, of_split, with_splits


def exams(*splits: Split, patients: int = 0) -> list[MaskExam]:
    """An exam of each split; `patients` patients take turns, or each exam has its own."""
    return [
        MaskExam(f"e{index}", f"p{index % patients if patients else index}", split, ())
        for index, split in enumerate(splits)
    ]


def test_a_tables_own_splits_stay():
    given = exams("train", "val", "test", "")
    assert with_splits(given, 1) == given


def test_six_images_without_splits_learn_from_five(capsys):
    dealt = with_splits(exams(*[""] * 6), 1)
    assert Counter(exam.split for exam in dealt) == {"train": 5, "val": 1}
    assert (
        f"no exam has a split: 1 of 6 choose the epoch ({of_split(dealt, 'val')[0].exam_id})" in capsys.readouterr().out
    )
    assert with_splits(exams(*[""] * 6), 1) == dealt
    assert any(with_splits(exams(*[""] * 6), seed) != dealt for seed in range(2, 9))


def test_exams_that_an_earlier_segmenter_has_seen_keep_their_roles():
    given = exams(*[""] * 12)
    roles = {"e0": "chosen", **{f"e{index}": "learnt" for index in range(1, 6)}}
    before = Seen.of([Exam(exam.exam_id, exam.patient_id, Path()) for exam in given], {}, roles)
    for seed in range(5):
        dealt = {exam.exam_id: exam.split for exam in with_splits(given, seed, [before])}
        assert dealt["e0"] == "val"
        assert {dealt[f"e{index}"] for index in range(1, 6)} == {"train"}
        assert Counter(dealt.values()) == {"train": 10, "val": 2}


def test_a_patient_is_never_torn_apart():
    dealt = with_splits(exams(*[""] * 40, patients=8), 3)
    of_patient = {}
    for exam in dealt:
        of_patient.setdefault(exam.patient_id, set()).add(exam.split)
    assert all(len(splits) == 1 for splits in of_patient.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (exams("train", "train"), "no exam of split 'val' in the table, which has 2 train"),
        (exams("test", ""), "no exam of split 'train' and 'val' in the table, which has 1 test, 1 in no split"),
        (exams("", "", patients=1), "at least two patients are needed, one to choose the epoch on; there are 1"),
    ],
)
def test_splits_that_nothing_can_be_learnt_with(given, said):
    with pytest.raises(ValueError, match=said):
        with_splits(given, 1)


def test_each_patient_is_held_out_once_and_split_test_never_takes_part():
    given = [*exams(*["train"] * 20, patients=10), MaskExam("t", "pt", "test", ())]
    folds = mask_folds(given, 5, seed=1)
    assert [fold.number for fold in folds] == [1, 2, 3, 4, 5]
    held_out = Counter(exam.patient_id for fold in folds for exam in of_split(fold.exams, "test"))
    assert held_out == {f"p{index}": 2 for index in range(10)}
    for fold in folds:
        splits = {}
        for exam in fold.exams:
            splits.setdefault(exam.patient_id, set()).add(exam.split)
        assert all(len(found) == 1 for found in splits.values())
        assert set().union(*splits.values()) == {"train", "val", "test"}
        assert len(fold.exams) == 20
    assert {len(of_split(fold.exams, "test")) for fold in folds} == {4}
    assert any(exam.exam_id == "t" for fold in mask_folds(given, 5, 1, with_test=True) for exam in fold.exams)


def test_too_few_patients_are_told():
    with pytest.raises(ValueError, match="5 folds need at least as many patients, and at least 3; there are 4"):
        mask_folds(exams(*["train"] * 8, patients=4), 5, 1)
    with pytest.raises(ValueError, match=r"2 folds need .* at least 3; there are 2"):
        mask_folds(exams("", ""), 2, 1)
