from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.exams.split import SPLITS, split_exams
from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.tables.exams import Exam

MONO = {"healthy": 462, "minor strain": 88, "partial rupture or strain": 59, "complete rupture": 152}


def exam(number: int, four_class: str) -> Exam:
    binary = BINARY.classes[FOUR_CLASS.collapses_into["binary"][FOUR_CLASS.index(four_class)]]
    classes = frozenset({binary}), frozenset({four_class})
    return Exam(f"e{number}", f"p{number}", Path(f"{number}.npy"), binary=classes[0], four_class=classes[1])


def cohort(counts: dict[str, int]) -> list[Exam]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [exam(number, label) for number, label in enumerate(labels)]


def shares(exams: list[Exam]) -> dict[str, float]:
    counts = Counter(one.split for one in exams)
    return {split: counts[split] / len(exams) for split in SPLITS}


def test_single_exams_are_shared_out_to_within_two_of_each_class():
    exams = cohort(MONO)
    dealt = split_exams(exams, [[index] for index in range(len(exams))], test=0.15, val=0.15, seed=7)
    found = Counter((one.split, *one.four_class) for one in dealt)
    for label, count in MONO.items():
        for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
            assert abs(found[split, label] - share * count) < 2


def test_exams_with_a_label_of_their_own_still_fill_every_split():
    exams = cohort(dict.fromkeys(MONO, 1))
    dealt = split_exams(exams, [[index] for index in range(4)], test=0.25, val=0.25, seed=0)
    assert sorted(one.split for one in dealt) == ["test", "train", "train", "val"]


def test_the_seed_decides_and_nothing_else():
    exams = cohort(MONO)
    groups = [[index] for index in range(len(exams))]
    first, again, other = (split_exams(exams, groups, 0.15, 0.15, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@given(
    sizes=st.lists(st.integers(1, 6), min_size=25, max_size=60),
    labels=st.randoms(use_true_random=False),
    test=st.sampled_from([0.1, 0.15, 0.3]),
    val=st.sampled_from([0.0, 0.1, 0.2]),
    seed=st.integers(0, 99),
)
def test_groups_stay_whole_and_shares_are_kept(sizes, labels, test, val, seed):
    ends = np.cumsum(sizes)
    groups = [list(range(end - size, end)) for size, end in zip(sizes, ends, strict=True)]
    exams = [exam(number, labels.choice(FOUR_CLASS.classes)) for number in range(ends[-1])]
    dealt = split_exams(exams, groups, test, val, seed)
    for group in groups:
        assert len({dealt[index].split for index in group}) == 1
    found = shares(dealt)
    for split, share in (("train", 1 - test - val), ("val", val), ("test", test)):
        assert abs(found[split] - share) <= 0.1
    assert val > 0 or found["val"] == 0


def test_an_exam_in_no_group_gets_no_split():
    exams = cohort({"healthy": 20, "complete rupture": 20})
    dealt = split_exams(exams, [[index] for index in range(39)], 0.2, 0.2, 0)
    assert dealt[39].split == ""
    assert all(one.split for one in dealt[:39])


@pytest.mark.parametrize(("test", "val"), [(0.5, 0.5), (-0.1, 0.2), (1.2, 0.0)])
def test_shares_that_leave_nothing_are_refused(test, val):
    with pytest.raises(ValueError, match="together below 1"):
        split_exams(cohort({"healthy": 4}), [[0], [1], [2], [3]], test, val, 0)


def test_too_few_groups_are_an_error_not_an_empty_split():
    exams = cohort({"healthy": 30, "complete rupture": 30})
    scanners = [[index for index, _ in half] for _, half in groupby(enumerate(exams), lambda pair: pair[0] < 30)]
    with pytest.raises(ValueError, match="test would get no exam"):
        split_exams(exams, scanners, 0.15, 0.15, 0)
