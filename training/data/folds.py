"""Cross-validation's folds: stratified by label set, grouped by exams that stay together, repeated with other seeds.

Each fold is an exam table whose split "test" is held out. A search for hyperparameters may use only its "train" and
"val"; this makes the cross-validation nested.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from data_prep.exams.groups import groups, links
from data_prep.exams.look import Look
from data_prep.exams.split import label_set, split_exams
from data_prep.labels import LabelScheme
from data_prep.tables.exams import Exam
from models.calibration import FEWEST_A_SIDE, Sides, thin
from training.config.config import Config
from training.data.checks import allowed_by, check_learnable

# Share of a fold's other exams that choose the epoch and the temperature, as in `data_prep.exams split`.
VALIDATION = 0.15
# Flags of exams that load but that no bundle predicts on.
BLANK = {"unreadable", "blank-volume"}
TEST, UNLABELLED, UNUSABLE = "of split test, or tied to one that is", "without a label", "without usable pixels"


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation.

    Attributes:
        repeat: number of the repeat, from 1.
        number: number of the fold in the repeat, from 1.
        seed: the repeat's seed.
        exams: all exams with their split in this fold, "test" for the held-out ones.
    """

    repeat: int
    number: int
    seed: int
    exams: tuple[Exam, ...]

    @property
    def known(self) -> list[Exam]:
        """The exams that may be learnt from and chosen on."""
        return [exam for exam in self.exams if exam.split != "test"]

    @property
    def held_out(self) -> list[Exam]:
        """The exams that only the finished model sees."""
        return [exam for exam in self.exams if exam.split == "test"]


def eligible(
    exams: Sequence[Exam], looks: Sequence[Look], scheme: LabelScheme, with_test: bool = False
) -> tuple[list[list[Exam]], Counter[str]]:
    """The exams that can take part.

    Args:
        exams: an exam table.
        looks: a look at each exam.
        scheme: the classes.
        with_test: whether exams of the table's split "test" take part.

    Returns:
        Groups of exams that stay together, and how many exams were left out for each reason.
    """
    left_out: Counter[str] = Counter()
    together = []
    for group in groups(len(exams), links(exams, looks)):
        of_test = not with_test and any(exams[index].split == "test" for index in group)
        reasons = {index: _unfit(exams[index], looks[index], scheme, of_test) for index in group}
        left_out.update(reason for reason in reasons.values() if reason)
        if members := [exams[index] for index, reason in reasons.items() if not reason]:
            together.append(members)
    return together, left_out


def check_some(together: Sequence[Sequence[Exam]], left_out: Counter[str]) -> None:
    """Raises ValueError with the reasons if no exam can take part."""
    if not together:
        reasons = "; ".join(f"{count} exams {reason}" for reason, count in left_out.items()) or "the table has none"
        raise ValueError(f"no exam can take part: {reasons}")


def check_folds(config: Config, folds: Sequence["Fold"]) -> None:
    """Raises ValueError, with the fold's number, if this configuration can't learn from a fold's exams."""
    for fold in folds:
        try:
            check_learnable(config, fold.known)
        except ValueError as error:
            raise ValueError(
                f"fold {fold.number} of repeat {fold.repeat} without its held-out exams: {error}"
            ) from None


def thin_folds(folds: Sequence["Fold"], scheme: LabelScheme) -> str:
    """A warning if folds have too few validation exams to choose on; "" if all have enough."""
    allowed = [allowed_by([exam for exam in fold.known if exam.split == "val"], scheme) for fold in folds]
    few = [each for each in allowed if thin(each)]
    if not few:
        return ""
    fewest = min((Sides.of(each) for each in few), key=lambda sides: min(sides.healthy, sides.unhealthy))
    return (
        f"warning: in {len(few)} of {len(folds)} folds the validation part has fewer than {FEWEST_A_SIDE} healthy or "
        f"unhealthy exams ({fewest} in the smallest): probabilities there aren't calibrated, the epoch is chosen on few"
    )


def make_folds(together: Sequence[Sequence[Exam]], folds: int, repeats: int, seed: int) -> Iterator[Fold]:
    """Every fold of every repeat.

    Args:
        together: groups of exams that stay together.
        folds: how many.
        repeats: how many.
        seed: repeat r shuffles and trains with `seed` + r - 1.

    Raises:
        ValueError: if there are too few groups.
    """
    if folds < 2 or repeats < 1:
        raise ValueError("cross-validation needs at least 2 folds and 1 repeat")
    if len(together) < folds:
        raise ValueError(f"{folds} folds need at least as many groups of exams; there are {len(together)}")
    for repeat in range(1, repeats + 1):
        dealt = _deal(together, folds, seed + repeat - 1)
        for number in range(1, folds + 1):
            exams = _with_splits(together, dealt, number - 1, seed + repeat - 1)
            yield Fold(repeat, number, seed + repeat - 1, exams)


def _unfit(exam: Exam, look: Look, scheme: LabelScheme, of_test: bool) -> str:
    """Why an exam can't take part; "" if it can."""
    if of_test:
        return TEST
    if not exam.allowed(scheme):
        return UNLABELLED
    return UNUSABLE if look.shape is None or BLANK & {flag.kind for flag in look.flags} else ""


def _deal(together: Sequence[Sequence[Exam]], folds: int, seed: int) -> list[int]:
    """The fold that holds each group out, from 0; ValueError if a fold would be empty."""
    exams = [exam for group in together for exam in group]
    group_of = np.repeat(np.arange(len(together)), [len(group) for group in together])
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(map(label_set, exams)))}
    kind_of = [kinds[label_set(exam)] for exam in exams]
    if max(Counter(kind_of).values()) < folds:
        raise ValueError(f"{folds} folds need a label that at least as many exams have")
    return deal(kind_of, group_of, folds, seed)


def deal(kind_of: Sequence[int], group_of: npt.NDArray[np.int_], folds: int, seed: int) -> list[int]:
    """Deal groups into folds, so that each fold has its share of every kind.

    Args:
        kind_of: the kind of each exam, `[E]`.
        group_of: the group of each exam, `[E]`, from 0.
        folds: how many.
        seed: shuffles.

    Returns:
        The fold that holds each group out, from 0.

    Raises:
        ValueError: a fold would be empty.
    """
    dealt = np.full(int(group_of.max()) + 1, -1)
    with warnings.catch_warnings():
        # A rare label set can't be in every fold, and doesn't have to be.
        warnings.filterwarnings("ignore", "The least populated class")
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        for fold, (_, held_out) in enumerate(splitter.split(kind_of, kind_of, group_of)):
            dealt[group_of[held_out]] = fold
    if len(set(dealt.tolist())) < folds:
        raise ValueError(f"{folds} folds can't all get exams: the groups are too unequal; take fewer folds")
    fold_of: list[int] = dealt.tolist()
    return fold_of


def _with_splits(together: Sequence[Sequence[Exam]], dealt: Sequence[int], fold: int, seed: int) -> tuple[Exam, ...]:
    """All exams: "test" for those of the fold, "val" for a share of the others, and "train" for the rest."""
    held_out = [exam for group, place in zip(together, dealt, strict=True) if place == fold for exam in group]
    others = [group for group, place in zip(together, dealt, strict=True) if place != fold]
    known = [exam for group in others for exam in group]
    ends = np.cumsum([len(group) for group in others])
    members = [list(range(end - len(group), end)) for group, end in zip(others, ends.tolist(), strict=True)]
    split = split_exams(known, members, test=0, val=VALIDATION, seed=seed)
    return (*split, *(replace(exam, split="test") for exam in held_out))
