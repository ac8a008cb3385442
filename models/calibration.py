"""From logits to probabilities: temperature scaling (Guo 2017, arXiv:1706.04599). Nothing else makes probabilities."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

# A temperature outside this range says that the logits carry no information (or that the fit went astray).
LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Calibration:
    """Probabilities are softmax(logits / temperature); fitted_on says on which exams, in words."""

    temperature: float = 1.0
    fitted_on: str = "not fitted"

    def probabilities(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """`[..., K]` -> `[..., K]`, summing to one."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        result: npt.NDArray[np.float64] = softmax(scaled, axis=-1)
        return result


def fit_temperature(logits: npt.NDArray[np.floating], allowed: npt.NDArray[np.floating]) -> float:
    """The temperature under which labels are likeliest.

    logits `[N, K]`; allowed `[N, K]`, 1 for each class that an exam's label allows.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        log_allowed = logsumexp(scaled, axis=1, b=allowed) - logsumexp(scaled, axis=1)
        return -float(log_allowed.mean())

    best = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(best.x))
