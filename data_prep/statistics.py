"""A figure is a value with an interval, and says on which exams it was measured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

# Percentile bootstrap over exams; 2000 resamples settle a 95 % interval to about the third decimal.
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

    def __str__(self) -> str:
        low, high = self.interval_95
        return f"{self.name}: {self.value:.3f} (95 % {low:.3f} to {high:.3f}; {self.exams} {self.measured_on})"


def figure(name: str, statistic: Callable[..., float], samples: tuple[Doubles, ...], measured_on: str) -> Figure:
    """`statistic(*samples)` with its interval; each sample `[N_i]` is resampled by itself, exam by exam."""
    result = bootstrap(
        samples,
        statistic,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = (float(bound) for bound in result.confidence_interval)
    return Figure(name, float(statistic(*samples)), (low, high), sum(map(len, samples)), measured_on)


def auc(negative: Doubles, positive: Doubles) -> float:
    """How often a positive scores above a negative, ties counting half (Mann and Whitney's U / nm)."""
    difference = positive[:, None] - negative
    return float((difference > 0).mean() + (difference == 0).mean() / 2)
