"""What a table allows is said before anything is computed, with the split, counts and what to type."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.tables.exams import Exam
from training.config.config import load_config
from training.data.checks import check_learnable, check_scorable_split, counted, splits_of
from training.data.folds import Fold, check_folds, check_some, thin_folds

HEALTHY, TORN = frozenset({"healthy"}), frozenset({"unhealthy"})
TEAR = frozenset({"partial rupture or strain", "complete rupture"})  # what MRNet's label allows


def exams(split: str, healthy: int, torn: int, bare: int = 0) -> list[Exam]:
    """Binary labels, and four-class ones as MRNet has them."""
    labels = [(HEALTHY, HEALTHY)] * healthy + [(TORN, TEAR)] * torn + [(frozenset(), frozenset())] * bare
    return [
        Exam(f"{split}-{number}", f"p{number}", Path("a.npy"), binary=binary, four_class=four, split=split)
        for number, (binary, four) in enumerate(labels)
    ]


def config(preset: str, *changes: str):
    return load_config(preset, list(changes))[0]


def test_counts_name_every_class_and_every_set():
    table = exams("train", 3, 2, 1)
    assert counted(table, BINARY) == "3 healthy, 2 unhealthy, 1 without a binary label"
    assert counted(table, FOUR_CLASS) == (
        "3 healthy, 0 minor strain, 0 partial rupture or strain, 0 complete rupture, "
        "2 that may be partial rupture or strain or complete rupture, 1 without a four_class label"
    )
    assert splits_of([*exams("val", 1, 0), *exams("", 2, 0)]) == "1 val, 2 in no split"
    assert splits_of([]) == "no exam at all"


@pytest.mark.parametrize(
    ("table", "changes", "reason"),
    [
        ([], [], "no exam of split 'train' and 'val' in the table, which has no exam at all"),
        (exams("train", 5, 5), [], "no exam of split 'val' in the table, which has 10 train; .*exams split TABLE"),
        (exams("train", 5, 0) + exams("val", 2, 2), [], "split train has 5 healthy, 0 unhealthy: there are no classes"),
        (exams("train", 0, 0, 4) + exams("val", 2, 2), [], "no exam of split train has a binary label"),
        (
            [replace(exam, four_class=frozenset()) for exam in exams("train", 5, 5) + exams("val", 2, 2)],
            ['scheme="four_class"'],
            """split train has a four_class label, but some have a binary label: --set 'scheme="binary"'""",
        ),
        (
            [replace(exam, four_class=TEAR | {"minor strain"}) for exam in exams("train", 0, 9) + exams("val", 2, 2)],
            ['scheme="four_class"'],
            "9 that may be minor strain or partial .*: there are no classes to separate",
        ),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(table, changes, reason):
    with pytest.raises(ValueError, match=reason):
        check_learnable(config("mrnet", *changes), table)


def test_a_validation_part_of_one_class_is_learnt_with():
    """It is said elsewhere, and no temperature is fitted on it."""
    check_learnable(config("mrnet"), exams("train", 5, 5) + exams("val", 11, 0))


def test_one_vs_rest_answers_need_exams_of_each_class():
    """Of MRNet's tears none is surely partial or surely complete: a network learns from them, no SVC does."""
    table = exams("train", 12, 12) + exams("val", 3, 3)
    check_learnable(config("vgg16"), table)
    check_learnable(config("vgg16-svc", 'scheme="binary"'), table)
    with pytest.raises(
        ValueError, match="surely 'minor strain' and others surely 'partial rupture or strain'"
    ) as error:
        check_learnable(config("vgg16-svc"), table)
    assert "12 healthy, 0 minor strain" in str(error.value)
    assert """--set 'scheme="binary"'""" in str(error.value)
    weightless = [replace(exam, weight=0.0) if exam.binary == TORN else exam for exam in table]
    with pytest.raises(ValueError, match="route svc needs exams that are surely 'unhealthy'"):
        check_learnable(config("vgg16-svc", 'scheme="binary"'), weightless)


def test_folds_are_checked_before_their_features_are_computed():
    fold = Fold(1, 2, 7, tuple(exams("train", 12, 12) + exams("val", 3, 3) + exams("test", 3, 3)))
    check_folds(config("vgg16"), [fold])
    with pytest.raises(ValueError, match="fold 2 of repeat 1 without its held-out exams: route svc needs"):
        check_folds(config("vgg16-svc"), [fold])


def test_folds_with_few_validation_exams_are_told():
    few, many = (
        Fold(1, number, 7, tuple(exams("train", 9, 9) + exams("val", count, count)))
        for number, count in ((1, 4), (2, 30))
    )
    assert thin_folds([many, many], BINARY) == ""
    assert "in 1 of 2 folds" in thin_folds([few, many], BINARY)
    assert "4 healthy, 4 unhealthy in the smallest" in thin_folds([few, many], BINARY)


def test_no_exam_at_all_is_told_with_the_reasons():
    with pytest.raises(ValueError, match="no exam can take part: 3 exams without a label"):
        check_some([], {"without a label": 3})
    with pytest.raises(ValueError, match="no exam can take part: the table has none"):
        check_some([], {})


@pytest.mark.parametrize(("healthy", "torn"), [(11, 0), (0, 5), (1, 9), (0, 0)])
def test_what_can_not_be_scored_is_refused_with_counts(healthy, torn):
    with pytest.raises(ValueError, match=f"split test has {healthy} healthy, {torn} unhealthy") as error:
        check_scorable_split(exams("test", healthy, torn), "split test")
    assert "at least two healthy and two unhealthy" in str(error.value)
