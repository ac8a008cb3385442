"""The operating point: from which probability of an injury on a knee is positive, and how often that was right."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.statistics import Figure


@dataclass(frozen=True)
class Rates:
    """How often an operating point was right.

    Attributes:
        sensitivity: The share of injured exams that were positive.
        specificity: The share of healthy exams that were negative.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    sensitivity: Figure
    specificity: Figure


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of the probability that the knee is injured at all.

    Attributes:
        threshold: A knee is positive if its `injury_probability` is at least this.
        target_sensitivity: The sensitivity that it was chosen for.
        chosen_on: Its rates on the validation exams that it was chosen on, which flatter it.
        tested_on: Its rates on test exams, which nothing was chosen on; None if there were too few.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    threshold: float
    target_sensitivity: float
    chosen_on: Rates
    tested_on: Rates | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target_sensitivity < 1 or not 0 <= self.threshold <= 1:
            raise ValueError("an operating point needs a probability and a target between 0 and 1")

    @property
    def known(self) -> tuple[Rates, ...]:
        """All its rates, the fair ones first."""
        return (self.tested_on, self.chosen_on) if self.tested_on else (self.chosen_on,)

    def is_positive(self, probabilities: npt.NDArray[np.floating]) -> bool:
        """Whether a knee with these probabilities, `[K]`, is positive."""
        return bool(injury_probability(probabilities) >= self.threshold)


def injury_probability(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The probability of all classes but the first, which is healthy in every scheme: `[..., K]` -> `[...]`."""
    summed: npt.NDArray[np.float64] = np.asarray(probabilities, np.float64)[..., 1:].sum(axis=-1)
    return summed
