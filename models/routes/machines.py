"""Decision functions of support vector machines as plain arrays (Cortes and Vapnik 1995, doi:10.1007/BF00994018).

They are one-vs-rest: two classes share one hyperplane (D = 1, positive on the side of the second class), K classes have
one each (D = K). Results are those of scikit-learn's `decision_function`, in double precision.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Linear:
    """(features - mean) @ kernel + intercept.

    Attributes:
        mean: The average exam's features `[C]`.
        kernel: `[C, D]`; it includes the scale of the standardisation.
        intercept: `[D]`.
    """

    mean: Doubles
    kernel: Doubles
    intercept: Doubles

    @classmethod
    def untrained(cls, channels: int, decisions: int) -> Self:
        """An untrained machine of the right shape."""
        return cls(np.zeros(channels), np.zeros((channels, decisions)), np.zeros(decisions))

    def decisions(self, features: Doubles) -> Doubles:
        """Features `[..., C]` -> `[..., D]`."""
        scores: Doubles = (features - self.mean) @ self.kernel + self.intercept
        return scores


@dataclass(frozen=True, eq=False)
class Rbf:
    """Sum over support vectors v of dual * exp(-gamma |z - v|^2) + intercept, where z = (features - mean) / scale.

    Attributes:
        mean: The average exam's features `[C]`.
        scale: The scale of the standardisation `[C]`.
        support: The support vectors of all decisions, standardised, `[V, C]`.
        dual: `[V, D]`, 0 where a vector isn't a support vector of the decision.
        intercept: `[D]`.
        gamma: 0-dimensional.
    """

    mean: Doubles
    scale: Doubles
    support: Doubles
    dual: Doubles
    intercept: Doubles
    gamma: Doubles

    @classmethod
    def untrained(cls, channels: int, decisions: int) -> Self:
        """An untrained machine of the right shape."""
        nothing = np.zeros((0, channels)), np.zeros((0, decisions))
        return cls(np.zeros(channels), np.ones(channels), *nothing, np.zeros(decisions), np.array(1.0))

    def decisions(self, features: Doubles) -> Doubles:
        """Features `[..., C]` -> `[..., D]`."""
        scores: Doubles = self._likeness(features) @ self.dual + self.intercept
        return scores

    def gradient(self, features: Doubles) -> Doubles:
        """Derivatives `[C, D]` of each decision by each feature, at one exam's features `[C]`."""
        away = (features - self.mean) / self.scale - self.support
        pull = self._likeness(features)[:, None] * self.dual
        gradient: Doubles = -2 * self.gamma * (away.T @ pull) / self.scale[:, None]
        return gradient

    def _likeness(self, features: Doubles) -> Doubles:
        """The kernel between exams `[..., C]` and support vectors: `[..., V]`, 1 where they are the same."""
        standard = (features - self.mean) / self.scale
        distance = np.square(standard).sum(-1, keepdims=True) + np.square(self.support).sum(-1)
        likeness: Doubles = np.exp(-self.gamma * (distance - 2 * standard @ self.support.T))
        return likeness


Machine = Linear | Rbf
MACHINES: dict[str, type[Machine]] = {"linear": Linear, "rbf": Rbf}


def to_logits(decisions: Doubles) -> Doubles:
    """Logits of decisions, for a softmax with a temperature.

    For two classes, this softmax gives Platt's probabilities without his offset. The function is linear, so it converts
    gradients of decisions to gradients of logits too.

    Args:
        decisions: `[..., D]`.

    Returns:
        `[..., K]`: (-d/2, d/2) for one hyperplane, otherwise each decision minus the mean of all.
    """
    if decisions.shape[-1] == 1:
        return np.concatenate([-decisions / 2, decisions / 2], axis=-1)
    contrasts: Doubles = decisions - decisions.mean(axis=-1, keepdims=True)
    return contrasts


def save_machine(machine: Machine, path: Path) -> None:
    """Write the arrays, and nothing else, as npz."""
    np.savez(path, **{field.name: getattr(machine, field.name) for field in fields(machine)})


def load_machine(untrained: Machine, path: Path) -> Machine:
    """Read a file of `save_machine`.

    Args:
        untrained: A machine of the expected shape.
        path: The file.

    Raises:
        KeyError: If an array is missing.
        ValueError: If an array doesn't fit the untrained machine.
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {field.name: np.asarray(stored[field.name], np.float64) for field in fields(untrained)}
    vectors = len(arrays.get("support", ()))
    for name, array in arrays.items():
        expected = getattr(untrained, name).shape
        if name in ("support", "dual"):
            expected = (vectors, *expected[1:])
        if array.shape != expected or not np.isfinite(array).all():
            raise ValueError(f"{path.name}: {name} is {array.shape}, not finite numbers {expected}")
    return type(untrained)(**arrays)
