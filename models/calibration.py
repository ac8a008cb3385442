"""From logits to probabilities: temperature scaling (Guo 2017, arXiv:1706.04599)."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

# With a temperature outside this range, the logits carry no information, or the fit failed.
LOWEST, HIGHEST = 0.05, 20.0
# A temperature within this factor of an end of the range is at the bound: the bounded search stops just before the end.
AT_BOUND = 1.02
# Smallest number of healthy, and of unhealthy, exams that a choice is based on. A fitted parameter needs about ten
# cases of the rarer outcome (Peduzzi 1996, doi:10.1016/S0895-4356(96)00236-3), and the temperature is one parameter.
FEWEST_A_SIDE = 10


@dataclass(frozen=True)
class Calibration:
    """Probabilities are softmax(logits / temperature).

    Attributes:
        temperature: The temperature.
        fitted_on: The exams that it was fitted on, in words.
        unusable: Why no fit was used and the temperature is 1; "" if a fit was used.
    """

    temperature: float = 1.0
    fitted_on: str = "not fitted"
    unusable: str = ""

    @classmethod
    def fitted(cls, logits: npt.NDArray[np.floating], allowed: npt.NDArray[np.floating]) -> Self:
        """Fit the temperature on validation exams.

        Args:
            logits: `[N, K]`.
            allowed: `[N, K]`, 1 for each class that an exam's label allows, else 0.

        Returns:
            The calibration; with temperature 1 and a reason in `unusable` if the fit can't be used.
        """
        on = f"{len(logits)} validation exams ({Sides.of(allowed)})"
        reason = thin(allowed)
        if not reason and not np.isfinite(logits).all():
            reason = "its logits on the validation exams aren't finite numbers"
        if not reason and _all_right(logits, allowed):
            reason = f"all of {on} are predicted correctly, so every lower temperature fits them better"
        temperature = 1.0 if reason else fit_temperature(logits, allowed)
        if not reason and _at_bound(temperature):
            reason = f"the fit on {on} ended at its bound, temperature {temperature:.3g}"
        return cls(1.0, "not fitted", reason) if reason else cls(temperature, on)

    @property
    def doubt(self) -> str:
        """Why the probabilities aren't calibrated; "" if they are.

        Bundles of earlier versions have no text in `unusable`, so the temperature is checked too.
        """
        if self.unusable or not _at_bound(self.temperature):
            return self.unusable
        return f"the temperature is at its bound, {self.temperature:.3g}"

    def probabilities(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Probabilities float64 `[..., K]` of logits `[..., K]`. They sum to 1."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        result: npt.NDArray[np.float64] = softmax(scaled, axis=-1)
        return result


@dataclass(frozen=True)
class Sides:
    """The number of exams that are surely healthy, surely unhealthy, or may be either."""

    healthy: int
    unhealthy: int
    either: int = 0

    @classmethod
    def of(cls, allowed: npt.NDArray[np.floating]) -> Self:
        """Count exams. allowed: `[N, K]`, 1 for each class that a label allows; class 0 is healthy in every scheme."""
        healthy, unhealthy = allowed[:, 0] > 0, (allowed[:, 1:] > 0).any(axis=1)
        return cls(
            int((healthy & ~unhealthy).sum()), int((unhealthy & ~healthy).sum()), int((healthy & unhealthy).sum())
        )

    def __str__(self) -> str:
        either = f", {self.either} that may be either" if self.either else ""
        return f"{self.healthy} healthy, {self.unhealthy} unhealthy{either}"


def thin(allowed: npt.NDArray[np.floating]) -> str:
    """Check whether there are enough exams to base a choice on.

    Args:
        allowed: `[N, K]`, 1 for each class that an exam's label allows, else 0.

    Returns:
        The reason why there aren't; "" if there are enough healthy and enough unhealthy exams.
    """
    sides = Sides.of(allowed)
    if min(sides.healthy, sides.unhealthy) >= FEWEST_A_SIDE:
        return ""
    return f"the validation part has {sides} exams, and at least {FEWEST_A_SIDE} of each are needed"


def fit_temperature(logits: npt.NDArray[np.floating], allowed: npt.NDArray[np.floating]) -> float:
    """The temperature that makes the labels likeliest.

    Args:
        logits: `[N, K]`.
        allowed: `[N, K]`, 1 for each class that an exam's label allows, else 0.

    Returns:
        The temperature, from `LOWEST` to `HIGHEST`.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        log_allowed = logsumexp(scaled, axis=1, b=allowed) - logsumexp(scaled, axis=1)
        return -float(log_allowed.mean())

    best = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(best.x))


def _all_right(logits: npt.NDArray[np.floating], allowed: npt.NDArray[np.floating]) -> bool:
    """Whether the likeliest class of every exam is allowed. The loss then approaches 0 as the temperature does."""
    best = np.where(allowed > 0, logits, -np.inf).max(axis=1)
    other = np.where(allowed > 0, -np.inf, logits).max(axis=1)
    return bool((best > other).all())


def _at_bound(temperature: float) -> bool:
    return not LOWEST * AT_BOUND < temperature < HIGHEST / AT_BOUND
