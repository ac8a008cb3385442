"""How well probabilities separate the classes: figures with 95 % intervals (`data_prep.statistics`).

An exam whose label allows several classes has no single true class. It isn't scored, but it is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.statistics import FEWEST, Doubles, Figure, auc, draws, mean
from models.severity import expected_grade

# Replaces a probability of zero, which has no logarithm.
SMALLEST = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions whose truth is a single class.

    Attributes:
        truth: the index of the true class, `[N]`.
        probabilities: the predictions, `[N, K]`.
        draws: how often each prediction was drawn, `[1 + R, N]`; the first row has each of them once. All predictions
            of one exam are drawn together. A resample without any exam of a class in `classes` is drawn again.
        classes: those with at least FEWEST exams; the others have no figure of their own and aren't in a macro mean.
        exams: how many exams are scored.
        not_scored: how many exams aren't scored.
    """

    truth: npt.NDArray[np.int_]
    probabilities: Doubles
    draws: Doubles
    classes: tuple[int, ...]
    exams: int
    not_scored: int

    @classmethod
    def of(cls, exam_ids: Sequence[object], allowed: npt.NDArray[np.floating], probabilities: Doubles) -> Self:
        """The predictions that can be scored.

        Args:
            exam_ids: the exam of each prediction, `[N]`.
            allowed: `[N, K]`, 1 for each class that the label allows.
            probabilities: `[N, K]`.

        Raises:
            ValueError: if no exam can be scored.
        """
        single = allowed.sum(axis=1) == 1
        scored, exam = np.unique(np.asarray(exam_ids)[single], return_inverse=True)
        if not scored.size:
            raise ValueError("no exam has a single class, so there is nothing to score")
        members = np.asarray(allowed[single], np.float64)
        exams_of = np.zeros((scored.size, members.shape[1]))
        exams_of[exam] = members
        classes = tuple(np.flatnonzero(exams_of.sum(axis=0) >= FEWEST).tolist())
        drawn = draws(scored.size, exams_of[:, classes])[:, exam]
        not_scored = len(set(exam_ids)) - scored.size
        return cls(members.argmax(axis=1), probabilities[single], drawn, classes, scored.size, not_scored)

    def figure(self, name: str, values: Doubles, measured_on: str) -> Figure:
        """The figure of `values` `[1 + R]`, one value for each draw."""
        return Figure.of(name, values, self.exams, measured_on)

    def mean(self, values: npt.NDArray[Any]) -> Doubles:
        """`[N]` -> the mean of each draw, `[1 + R]`."""
        return mean(values, self.draws)

    def accuracy(self) -> Doubles:
        """How often the likeliest class is the true one; of equally likely classes, the first counts."""
        return self.mean(self.probabilities.argmax(axis=1) == self.truth)

    def loss(self) -> Doubles:
        """Mean minus log probability of the true class."""
        of_truth = self.probabilities[np.arange(len(self.truth)), self.truth]
        return self.mean(-np.log(np.maximum(of_truth, SMALLEST)))

    def confusion(self) -> Doubles:
        """`[1 + R, K, K]`: true classes in rows, predicted ones in columns."""
        classes = self.probabilities.shape[1]
        cell = self.truth * classes + self.probabilities.argmax(axis=1)
        counts: Doubles = self.draws @ np.eye(classes**2)[cell]
        return counts.reshape(-1, classes, classes)

    def auc(self, positive: int) -> Doubles:
        """One class against the rest: how often an exam of it has a higher score than another; ties count half."""
        return auc(self.probabilities[:, positive], self.truth == positive, self.draws)


@dataclass(frozen=True)
class Report:
    """Figures of one scheme.

    Attributes:
        classes: the scheme's classes.
        figures: the figures with their intervals.
        confusion: counts of predictions, true classes in rows, predicted classes in columns.
        not_scored: how many exams aren't scored, because their label allows several classes.
    """

    classes: tuple[str, ...]
    figures: tuple[Figure, ...]
    confusion: tuple[tuple[int, ...], ...]
    not_scored: int

    def __str__(self) -> str:
        corner = "true, predicted"
        width = max(map(len, (corner, *self.classes)))
        rows = (
            f"{name:>{width}} {' '.join(f'{count:>{width}}' for count in counts)}"
            for name, counts in zip(self.classes, self.confusion, strict=True)
        )
        heading = " ".join(f"{name:>{width}}" for name in (corner, *self.classes))
        unsure = [f"{self.not_scored} exams that may have several classes are not scored"] if self.not_scored else []
        return "\n".join([*map(str, self.figures), *unsure, heading, *rows])


def class_figures(
    scheme: LabelScheme,
    exam_ids: Sequence[object],
    allowed: npt.NDArray[np.floating],
    probabilities: Doubles,
    measured_on: str,
) -> Report:
    """Every figure of a scheme with K classes.

    The F1 and AUC of a class with fewer than FEWEST exams are left out. The weighted F1 weights each class by its
    number of exams. The binary AUC is measured on exams that are surely healthy or surely unhealthy.

    Args:
        scheme: the classes.
        exam_ids: the exam of each prediction, `[N]`.
        allowed: `[N, K]`, 1 for each class that the label allows.
        probabilities: `[N, K]`.
        measured_on: which exams these are, in words.

    Raises:
        ValueError: if no exam can be scored.
    """
    scored = Scored.of(exam_ids, allowed, probabilities)
    confusion = scored.confusion()
    f1, support = f1_scores(confusion), confusion.sum(axis=2)
    named = {
        "accuracy": scored.accuracy(),
        "loss": scored.loss(),
        "weighted F1": (f1 * support).sum(axis=1) / support.sum(axis=1),
    }
    if scored.classes:
        named["macro F1"] = f1[:, scored.classes].mean(axis=1)
        named |= {f"F1 {scheme.classes[index]}": f1[:, index] for index in scored.classes}
    if len(scheme) > 2 and len(scored.classes) > 1:
        named["macro one-vs-rest AUC"] = np.mean([scored.auc(index) for index in scored.classes], axis=0)
    if scheme.name == FOUR_CLASS.name:
        grades = expected_grade(scored.probabilities, scheme)
        named["mean error of the expected grade"] = scored.mean(np.abs(grades - scored.truth))
    figures = [scored.figure(name, values, measured_on) for name, values in named.items()]
    figures += _binary_auc(scheme, exam_ids, allowed, probabilities, measured_on)
    counts = tuple(tuple(int(count) for count in row) for row in confusion[0])
    return Report(scheme.classes, tuple(figures), counts, scored.not_scored)


def check_scorable(unhealthy: npt.NDArray[np.bool_]) -> None:
    """Raises ValueError if a class has too few exams for an AUC with an interval."""
    if min(unhealthy.sum(), (~unhealthy).sum()) < FEWEST:
        raise ValueError("an AUC with an interval needs at least two healthy and two unhealthy exams")


def binary_figures(unhealthy: npt.NDArray[np.bool_], probability: Doubles, measured_on: str) -> list[Figure]:
    """Binary AUC, and accuracy at a threshold of 0.5.

    Args:
        unhealthy: the truth, `[N]`.
        probability: the probability of unhealthy, `[N]`.
        measured_on: which exams these are, in words.

    Raises:
        ValueError: if there are too few healthy or unhealthy exams, see `check_scorable`.
    """
    check_scorable(unhealthy)
    both = np.stack([1 - probability, probability], axis=1)
    scored = Scored.of(range(len(unhealthy)), np.eye(len(BINARY))[unhealthy.astype(int)], both)
    return [
        scored.figure("binary AUC", scored.auc(BINARY.index("unhealthy")), measured_on),
        scored.figure("binary accuracy", scored.accuracy(), measured_on),
    ]


def f1_scores(confusion: Doubles) -> Doubles:
    """`[..., K, K]` -> `[..., K]`: the harmonic mean of precision and recall; 0 for a class that doesn't occur."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurs = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    scores: Doubles = 2 * hits / np.maximum(occurs, 1)
    return scores


def _binary_auc(
    scheme: LabelScheme,
    exam_ids: Sequence[object],
    allowed: npt.NDArray[np.floating],
    probabilities: npt.NDArray[np.floating],
    measured_on: str,
) -> list[Figure]:
    if scheme.name != BINARY.name:
        allowed = (scheme.collapse(allowed, BINARY) > 0).astype(float)
        probabilities = scheme.collapse(probabilities, BINARY)
    scored = Scored.of(exam_ids, allowed, np.asarray(probabilities, np.float64))
    if len(scored.classes) < len(BINARY):
        return []
    return [scored.figure("binary AUC", scored.auc(BINARY.index("unhealthy")), measured_on)]
