"""Training, validation and test splits: each label set is shared out by the shares; a group of exams stays together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from data_prep.labels import LabelScheme
from data_prep.tables.exams import Exam, Split

SPLITS: tuple[Split, ...] = ("train", "val", "test")
LabelSet = tuple[frozenset[str], frozenset[str]]


def label_set(exam: Exam) -> LabelSet:
    """The classes that the label allows in both schemes. Splits are stratified by this set."""
    return exam.binary, exam.four_class


def split_exams(
    exams: Sequence[Exam], groups: Sequence[Sequence[int]], test: float, val: float, seed: int
) -> list[Exam]:
    """Give each exam its split.

    The largest groups are placed first, each in the split that lacks most of what the group holds. This is the greedy
    rule of scikit-learn's StratifiedGroupKFold, for shares that aren't equal.

    Args:
        exams: The exam table.
        groups: Indices of exams that stay together. An exam in no group gets no split.
        test: Share of the exams in groups, 0 to 1.
        val: Share of the exams in groups, 0 to 1.
        seed: Determines the order of groups of equal size.

    Returns:
        The exams with their split.

    Raises:
        ValueError: If a share isn't possible, or if a split with a share above 0 gets no exam.
    """
    if min(test, val) < 0 or test + val >= 1:
        raise ValueError("--test and --val must be shares of at least 0, and together below 1")
    order = np.random.default_rng(seed).permutation(len(groups))
    dealt = sorted((groups[place] for place in order), key=len, reverse=True)
    kinds = {kind: column for column, kind in enumerate(dict.fromkeys(map(label_set, exams)))}
    brought = [_counts([label_set(exams[index]) for index in group], kinds) for group in dealt]
    shares = np.array([1 - test - val, val, test])
    lacking = np.outer(shares, np.sum(brought, axis=0)) if brought else np.zeros((3, len(kinds)))
    placed: dict[int, Split] = {}
    for group, brings in zip(dealt, brought, strict=True):
        chosen = _neediest(lacking, brings, shares)
        lacking[chosen] -= brings
        placed |= dict.fromkeys(group, SPLITS[chosen])
    _check_filled(placed, shares)
    return [replace(exam, split=placed.get(index, "")) for index, exam in enumerate(exams)]


def missing_classes(exams: Sequence[Exam], scheme: LabelScheme) -> list[str]:
    """Find classes that labels of some splits allow and labels of another split don't.

    In that split, nothing can be learnt about the class or measured on it. Splits without exams are skipped.

    Returns:
        Sentences with counts.
    """
    counts = {
        split: Counter(name for exam in exams if exam.split == split for name in exam.allowed(scheme))
        for split in SPLITS
        if any(exam.split == split for exam in exams)
    }
    found = []
    for name in scheme.classes:
        lacking = [split for split in counts if not counts[split][name]]
        if lacking and len(lacking) < len(counts):
            each = ", ".join(f"{split} {count[name]}" for split, count in counts.items())
            found.append(f"split {' and '.join(lacking)}: no exam's {scheme.name} label allows {name!r} ({each})")
    return found


def _counts(found: Sequence[LabelSet], kinds: dict[LabelSet, int]) -> npt.NDArray[np.float64]:
    counts = np.zeros(len(kinds))
    for kind, number in Counter(found).items():
        counts[kinds[kind]] = number
    return counts


def _neediest(
    lacking: npt.NDArray[np.float64], brings: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]
) -> int:
    """The split that lacks most of what the group holds, relative to the split's share; of equal ones, the emptiest."""
    wanted = [split for split in range(len(SPLITS)) if shares[split] > 0]

    def want(split: int) -> tuple[float, float]:
        lacks = lacking[split] / shares[split]
        return round(float(lacks @ brings), 9), round(float(lacks.sum()), 9)

    return max(wanted, key=want)


def _check_filled(placed: dict[int, Split], shares: npt.NDArray[np.float64]) -> None:
    empty = [name for name, share in zip(SPLITS, shares, strict=True) if share > 0 and name not in placed.values()]
    if empty:
        raise ValueError(f"split {' and '.join(empty)} would get no exam: there are too few groups of exams")
