"""A bad start is noticed after one epoch, and another seed gets a try; when all are bad, the best one goes on.

With random weights a network can begin where it learns nothing (all its units silent, say); epochs won't mend that. Two
things show it: the network answers every exam alike, or the loss of the first epoch is worse than that of somebody who
learns nothing but how common each class is.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from training.data.examples import Examples
from training.fitting.losses import Loss

# So many exams are asked whether their answers differ; between logits, less than this is rounding.
ASKED, ALIKE = 8, 1e-6


class BadStart(Exception):
    """The first epoch says that this seed leads nowhere. loss: its training loss."""

    def __init__(self, reason: str, loss: float) -> None:
        super().__init__(reason)
        self.loss = loss


class StartCheck(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises BadStart when the training loss of epoch 0 exceeds `limit` or is no number, or all answers are alike.

    examples: what is learnt from; without any, answers aren't asked for.
    """

    def __init__(self, limit: float, examples: Examples | None = None) -> None:
        super().__init__()
        self.limit, self.examples = limit, examples

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if epoch:
            return
        if not loss <= self.limit:
            raise BadStart(f"loss {loss:.4f} after the first epoch, more than {self.limit:.4f}", loss)
        if self.examples and self._all_alike(self.examples):
            raise BadStart("it answers every exam alike after the first epoch", loss)

    def _all_alike(self, examples: Examples) -> bool:
        """Of a few exams, evenly spread over the table; exams of the same pixels would be alike too, but not all."""
        chosen = np.unique(np.linspace(0, len(examples.inputs) - 1, ASKED).astype(int)).tolist()
        exams = (np.asarray(examples.inputs[exam])[None] for exam in chosen)
        answers = np.concatenate([keras.ops.convert_to_numpy(self.model(exam, training=False)) for exam in exams])
        contrasts = answers - answers.mean(axis=1, keepdims=True)
        return bool(np.ptp(contrasts, axis=0).max() <= ALIKE * max(np.abs(contrasts).max(), 1.0))


def best_start(starts: Sequence[tuple[int, float]]) -> int:
    """The seed of the lowest loss. ValueError if every start ended in losses that are no numbers."""
    finite = [(loss, seed) for seed, loss in starts if math.isfinite(loss)]
    if not finite:
        raise ValueError(f"each of {len(starts)} starts ended in losses that are no numbers: lower fit.learning_rate")
    return min(finite)[1]


def tolerance(exams: int, classes: int) -> float:
    """How much worse than the best constant guess the first epoch's loss may be, in nats, of a start that is fine.

    The loss is measured while the network learns. Whoever learns only the shares of K classes from N exams, one after
    the other, pays (K - 1) / 2 * ln(N) / N an exam for it (Krichevsky and Trofimov 1981, doi:10.1109/TIT.1981.1056331);
    a network learns more than that, so it may pay twice as much: 0.059 for 72 exams and 2 classes, 0.009 for 761.
    """
    return (classes - 1) * math.log(exams) / exams if exams > 1 else math.inf


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
