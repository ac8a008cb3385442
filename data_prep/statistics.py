"""Figures: values with an interval and the exams that they were measured on.

Intervals are computed by percentile bootstrap over exams (Efron 1979, doi:10.1214/aos/1176344552). A resample is stored
as the number of times it drew each exam, so that the figures of all resamples take a few matrix products. The interval
of a share (`Figure.of_share`) is exact instead, because a bootstrap of a share of 1 has no width.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

# With 2000 resamples, a 95 % interval is stable to about the third decimal.
RESAMPLES = 2000
# With a single exam of a class, the interval of that class's figures would have no width.
FEWEST = 2
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval, and what it was measured on."""

    name: str
    value: float
    interval_95: tuple[float, float]
    exams: int
    measured_on: str

    @classmethod
    def of(cls, name: str, values: Doubles, exams: int, measured_on: str) -> "Figure":
        """A figure from its values in all resamples.

        Args:
            name: the figure's name.
            values: float64 `[1 + R]`, one for each row of `draws`; the first is the value of the exams themselves.
            exams: how many exams there are.
            measured_on: which exams these are, in words.
        """
        low, high = np.percentile(values[1:], (2.5, 97.5)).tolist()
        return cls(name, float(values[0]), (low, high), exams, measured_on)

    @classmethod
    def of_share(cls, name: str, hits: npt.NDArray[np.bool_], measured_on: str) -> "Figure":
        """The share of exams that are hits, with Clopper and Pearson's interval (1934, doi:10.1093/biomet/26.4.404).

        Args:
            name: the figure's name.
            hits: bool `[N]`, one for each exam; N must not be 0.
            measured_on: which exams these are, in words.
        """
        result = binomtest(int(hits.sum()), hits.size)
        interval = result.proportion_ci(0.95, method="exact")
        return cls(name, float(result.statistic), (float(interval.low), float(interval.high)), hits.size, measured_on)

    def __str__(self) -> str:
        low, high = self.interval_95
        return f"{self.name}: {self.value:.3f} (95 % {low:.3f} to {high:.3f}; {self.exams} {self.measured_on})"


def bound(values: npt.NDArray[np.floating], share: float) -> float | None:
    """The lowest of n values that at least a share of unseen exams is expected to stay below.

    An unseen exam of the same kind falls with equal probability into each of the n + 1 gaps between the sorted values,
    so k / (n + 1) of unseen exams lie below the k-th value (split conformal prediction, Lei 2018,
    doi:10.1080/01621459.2017.1307116). A quantile of the values themselves would promise too much if they are few.

    Args:
        values: `[N]`, one for each exam.
        share: between 0 and 1.

    Returns:
        The value; None if even the highest doesn't suffice, which needs share / (1 - share) exams: 19 for 0.95.
    """
    rank = math.ceil(share * (len(values) + 1) - 1e-9)  # 0.95 * 20 isn't always 19 in binary
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else None


def draws(exams: int, members: npt.NDArray[Any] | None = None) -> Doubles:
    """How often each resample drew each exam.

    Args:
        exams: E, how many exams there are.
        members: `[E, K]`, which exams belong to each of K groups. Every resample must have an exam of every group; a
            resample without one is drawn again.

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
    """How often a positive exam has a higher score than a negative one; ties count half (Mann and Whitney's U / nm).

    Args:
        score: float64 `[E]`.
        positive: bool `[E]`.
        drawn: `[D, E]`, how often each draw has each exam; every draw must have positive and negative exams.

    Returns:
        float64 `[D]`, the AUC of each draw, computed in one pass over the sorted scores.
    """
    order = np.argsort(score)
    ties = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    up, down = (np.add.reduceat((drawn * which)[:, order], ties, axis=1) for which in (positive, ~positive))
    above = (up * (down.cumsum(axis=1) - down / 2)).sum(axis=1)
    result: Doubles = above / (up.sum(axis=1) * down.sum(axis=1))
    return result
