"""A bad start is noticed after one epoch, and another seed gets a try.

With random weights a network can begin where it learns nothing (all its units silent, say); epochs won't mend that.
"""

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from training.losses import Loss


class BadStart(Exception):
    """The first epoch's loss says that this seed leads nowhere."""


class StartCheck(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises BadStart when the training loss of epoch 0 exceeds `limit`, or is no number."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if epoch == 0 and not loss <= self.limit:
            raise BadStart(f"loss {loss:.4f} after the first epoch, more than {self.limit:.4f}")


def constant_guess(loss: Loss, allowed: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> float:
    """The mean loss of the best answer that is the same for every exam; allowed `[N, K]`, weights `[N]`.

    With one class in every set, no weights and the set loss it is the entropy of the classes' shares.
    """
    rows, index = np.unique(allowed, axis=0, return_inverse=True)
    shares = np.bincount(index, weights) / len(allowed)

    def guessed(logits: npt.NDArray[np.float64]) -> float:
        answer = np.broadcast_to(np.append(0.0, logits), rows.shape).astype(np.float32)
        return float(shares @ keras.ops.convert_to_numpy(loss(rows, answer)))

    start = np.zeros(rows.shape[1] - 1)
    options = {"initial_simplex": np.vstack([start, np.eye(len(start))]), "xatol": 1e-2, "fatol": 1e-4}
    return float(minimize(guessed, start, method="Nelder-Mead", options=options).fun)
