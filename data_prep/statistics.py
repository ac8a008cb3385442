"""A figure is a value with an interval, and says on which exams it was measured.

Intervals are by percentile bootstrap over exams (Efron 1979, doi:10.1214/aos/1176344552). A resample is how often it
drew each exam, so that a figure of all resamples is a few matrix products.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# 2000 resamples settle a 95 % interval to about the third decimal.
RESAMPLES = 2000
# With a single exam of a class, its own figures would have an interval of no width.
FEWEST = 2
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval by bootstrap over exams, and what it was measured on."""

    name: str
    value: float
    interval_95: tuple[float, float]
    exams: int
    measured_on: str

    @classmethod
    def of(cls, name: str, values: Doubles, exams: int, measured_on: str) -> "Figure":
        """values: `[1 + R]`, one for each draw of `draws`; the first one is that of the exams as they are."""
        low, high = np.percentile(values[1:], (2.5, 97.5)).tolist()
        return cls(name, float(values[0]), (low, high), exams, measured_on)

    def __str__(self) -> str:
        low, high = self.interval_95
        return f"{self.name}: {self.value:.3f} (95 % {low:.3f} to {high:.3f}; {self.exams} {self.measured_on})"


def draws(exams: int, members: npt.NDArray[Any] | None = None) -> Doubles:
    """How often each resample drew each exam.

    Args:
        exams: E, how many there are.
        members: `[E, K]`, what every resample must have at least one exam of; one that lacks any is drawn again.

    Returns:
        `[1 + RESAMPLES, E]`; the first row has each exam once.
    """
    random = np.random.default_rng(0)
    drawn = random.multinomial(exams, np.full(exams, 1 / exams), RESAMPLES)
    if members is not None:
        while (lacking := (drawn @ members == 0).any(axis=1)).any():
            drawn[lacking] = random.multinomial(exams, np.full(exams, 1 / exams), lacking.sum())
    return np.vstack([np.ones(exams), drawn])


def mean(values: npt.NDArray[Any], drawn: Doubles) -> Doubles:
    """The mean of `values` `[E]` in each draw `[D, E]`: `[D]`."""
    means: Doubles = drawn @ values / drawn.sum(axis=1)
    return means


def auc(score: Doubles, positive: npt.NDArray[np.bool_], drawn: Doubles) -> Doubles:
    """How often a positive exam scores above another, ties counting half (Mann and Whitney's U / nm).

    score, positive: `[E]`. drawn: `[D, E]`, each with positive and other exams. Returns `[D]`, in one pass over the
    scores in order.
    """
    order = np.argsort(score)
    ties = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    up, down = (np.add.reduceat((drawn * which)[:, order], ties, axis=1) for which in (positive, ~positive))
    above = (up * (down.cumsum(axis=1) - down / 2)).sum(axis=1)
    result: Doubles = above / (up.sum(axis=1) * down.sum(axis=1))
    return result
