"""Figures with intervals, and on which exams they were measured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, roc_auc_score

# Percentile bootstrap over exams; 2000 resamples settle a 95 % interval to about the third decimal.
RESAMPLES = 2000
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


def figure(
    name: str, statistic: Callable[..., float], samples: tuple[Doubles, ...], measured_on: str, seed: int = 0
) -> Figure:
    """`statistic(*samples)` with its interval; the samples are `[N]` each and resampled together, exam by exam."""
    value = float(statistic(*samples))
    result = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = (float(bound) for bound in result.confidence_interval)
    return Figure(name, value, (low, high), len(samples[0]), measured_on)


def binary_figures(unhealthy: Doubles, probability: Doubles, measured_on: str) -> list[Figure]:
    """AUC and accuracy at one half. unhealthy: `[N]` 0 or 1; probability of unhealthy `[N]`.

    Raises ValueError when only one class is there: an AUC doesn't exist then.
    """
    if len(set(unhealthy)) < 2:
        raise ValueError("an AUC needs healthy and unhealthy exams")
    return [
        figure("binary AUC", roc_auc_score, (unhealthy, probability), measured_on),
        figure("binary accuracy", accuracy_score, (unhealthy, (probability > 0.5).astype(float)), measured_on),
    ]
