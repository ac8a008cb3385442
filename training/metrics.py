"""How well probabilities tell the classes apart."""

import numpy as np
import numpy.typing as npt

from data_prep.figures import Doubles, Figure, auc, figure


def check_judgeable(unhealthy: npt.NDArray[np.bool_]) -> None:
    """ValueError when there are too few exams of a class for an AUC and its interval to exist."""
    if min(unhealthy.sum(), (~unhealthy).sum()) < 2:
        raise ValueError("an AUC with an interval needs at least two healthy and two unhealthy exams")


def binary_figures(unhealthy: npt.NDArray[np.bool_], probability: Doubles, measured_on: str) -> list[Figure]:
    """AUC and accuracy at one half. unhealthy `[N]`; probability of it `[N]`. ValueError as in `check_judgeable`."""
    check_judgeable(unhealthy)
    correct = ((probability > 0.5) == unhealthy).astype(float)
    return [
        figure("binary AUC", auc, (probability[~unhealthy], probability[unhealthy]), measured_on),
        figure("binary accuracy", np.mean, (correct,), measured_on),
    ]
