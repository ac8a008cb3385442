"""Detect a bad start after one epoch and try another seed; if all starts are bad, continue with the best one.

With random weights a network can start in a state where it learns nothing (for example, all its units are zero), and
more epochs don't change that. There are two signs: the outputs are the same for every exam, or the loss of the first
epoch is worse than that of a model that learns only how common each class is.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from training.data.examples import Examples
from training.fitting.checkpoint import RunState
from training.fitting.losses import Loss

# The number of exams whose logits are compared; smaller differences than ALIKE are rounding.
COMPARED, ALIKE = 8, 1e-6


class BadStart(Exception):
    """The first epoch shows that this seed learns nothing; `loss` is its training loss."""

    def __init__(self, reason: str, loss: float) -> None:
        super().__init__(reason)
        self.loss = loss


class StartCheck(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises BadStart if epoch 0 ends with a loss that exceeds `limit` or isn't a number, or if all outputs are alike.

    Args:
        limit: the largest training loss that is accepted.
        examples: the training examples; None to not compare outputs.
        watched: the name of the loss in the log.
    """

    def __init__(self, limit: float, examples: Examples | None = None, watched: str = "loss") -> None:
        super().__init__()
        self.limit, self.examples, self.watched = limit, examples, watched

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})[self.watched]
        if epoch:
            return
        if not loss <= self.limit:
            raise BadStart(f"loss {loss:.4f} after the first epoch, more than {self.limit:.4f}", loss)
        if self.examples and self._all_alike(self.examples):
            raise BadStart("it predicts the same for every exam after the first epoch", loss)

    def _all_alike(self, examples: Examples) -> bool:
        """Whether a few exams, evenly spread over the table, have the same logits.

        Some exams may have the same pixels, and so the same logits, but not all.
        """
        chosen = np.unique(np.linspace(0, len(examples.inputs) - 1, COMPARED).astype(int)).tolist()
        exams = (np.asarray(examples.inputs[exam])[None] for exam in chosen)
        answers = np.concatenate([keras.ops.convert_to_numpy(self.model(exam, training=False)) for exam in exams])
        contrasts = answers - answers.mean(axis=1, keepdims=True)
        return bool(np.ptp(contrasts, axis=0).max() <= ALIKE * max(np.abs(contrasts).max(), 1.0))


def best_start(starts: Sequence[tuple[int, float]]) -> int:
    """The seed with the lowest loss. ValueError if no start had a finite loss."""
    finite = [(loss, seed) for seed, loss in starts if math.isfinite(loss)]
    if not finite:
        raise ValueError(
            f"each of {len(starts)} starts ended in losses that aren't finite numbers: lower fit.learning_rate"
        )
    return min(finite)[1]


def another_start(resumed: RunState, bad: BadStart, restarts: int) -> RunState:
    """The state of the next seed; after the last one, that of the best seed so far, which isn't checked again."""
    seed = resumed.seeds[-1]
    starts = [*resumed.starts, (seed, bad.loss)]
    if len(starts) <= restarts:
        print(f"seed {seed}: {bad}; starting again with seed {seed + 1}")
        return RunState([*resumed.seeds, seed + 1], starts=starts)
    best = best_start(starts)
    print(f"seed {seed}: {bad}; all {len(starts)} starts were rejected, continuing with the best one, seed {best}")
    return RunState([*resumed.seeds, best], starts=starts, settled=True)


def tolerance(exams: int, classes: int) -> float:
    """How much worse than the best constant guess the first epoch's loss may be, in nats.

    The loss is measured while the network learns. A model that learns only the shares of K classes from N exams, one
    after the other, has an additional loss of (K - 1) / 2 * ln(N) / N per exam (Krichevsky and Trofimov 1981,
    doi:10.1109/TIT.1981.1056331). A network learns more than that, so twice as much is accepted: 0.059 for 72 exams and
    2 classes, 0.009 for 761 exams.
    """
    return (classes - 1) * math.log(exams) / exams if exams > 1 else math.inf


def constant_guess(loss: Loss, allowed: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> float:
    """The mean loss of the best prediction that is the same for every exam.

    With one class in every set, equal weights and the set loss it is the entropy of the classes' shares.

    Args:
        loss: the loss.
        allowed: `[N, K]`, 1 for each class that the label allows.
        weights: `[N]`.
    """
    rows, index = np.unique(allowed, axis=0, return_inverse=True)
    shares = np.bincount(index, weights) / len(allowed)

    def guessed(logits: npt.NDArray[np.float64]) -> float:
        answer = np.broadcast_to(np.append(0.0, logits), rows.shape).astype(np.float32)
        return float(shares @ keras.ops.convert_to_numpy(loss(rows, answer)))

    start = np.zeros(rows.shape[1] - 1)
    options = {"initial_simplex": np.vstack([start, np.eye(len(start))]), "xatol": 1e-2, "fatol": 1e-4}
    return float(minimize(guessed, start, method="Nelder-Mead", options=options).fun)
