"""Decision functions as plain arrays, one-vs-rest (Cortes and Vapnik 1995, doi:10.1007/BF00994018).

Two classes share one hyperplane (D = 1, positive on the side of the second class), K classes have one each (D = K):
what scikit-learn's `decision_function` gives, in double precision.
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

    mean: the average exam's features `[C]`; kernel `[C, D]`, with the standardisation's scale in it; intercept `[D]`.
    """

    mean: Doubles
    kernel: Doubles
    intercept: Doubles

    @classmethod
    def untrained(cls, channels: int, decisions: int) -> Self:
        """A machine of the right shape that knows nothing."""
        return cls(np.zeros(channels), np.zeros((channels, decisions)), np.zeros(decisions))

    def decisions(self, features: Doubles) -> Doubles:
        """Features `[..., C]` -> `[..., D]`."""
        scores: Doubles = (features - self.mean) @ self.kernel + self.intercept
        return scores


@dataclass(frozen=True, eq=False)
class Rbf:
    """Sum over support vectors v of dual * exp(-gamma |z - v|^2) + intercept, where z = (features - mean) / scale.

    support: every machine's support vectors, standardised, `[V, C]`; dual `[V, D]`, 0 where a vector isn't the
    machine's own; gamma: 0-dimensional.
    """

    mean: Doubles
    scale: Doubles
    support: Doubles
    dual: Doubles
    intercept: Doubles
    gamma: Doubles

    @classmethod
    def untrained(cls, channels: int, decisions: int) -> Self:
        """A machine of the right shape that knows nothing."""
        nothing = np.zeros((0, channels)), np.zeros((0, decisions))
        return cls(np.zeros(channels), np.ones(channels), *nothing, np.zeros(decisions), np.array(1.0))

    def decisions(self, features: Doubles) -> Doubles:
        """Features `[..., C]` -> `[..., D]`."""
        scores: Doubles = self._likeness(features) @ self.dual + self.intercept
        return scores

    def gradient(self, features: Doubles) -> Doubles:
        """Of each decision by each feature at one exam's features `[C]`: `[C, D]`."""
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
    """`[..., D]` -> `[..., K]`: (-d/2, d/2) of one hyperplane, otherwise each decision without what all share.

    Softmax with a temperature then makes probabilities of them; of two classes, Platt's without his offset. Linear, so
    that it makes gradients by decisions into gradients by logits, too.
    """
    if decisions.shape[-1] == 1:
        return np.concatenate([-decisions / 2, decisions / 2], axis=-1)
    contrasts: Doubles = decisions - decisions.mean(axis=-1, keepdims=True)
    return contrasts


def save_machine(machine: Machine, path: Path) -> None:
    """Write the arrays, and nothing else, as npz."""
    np.savez(path, **{field.name: getattr(machine, field.name) for field in fields(machine)})


def load_machine(untrained: Machine, path: Path) -> Machine:
    """The machine in a file of `save_machine`; KeyError or ValueError where it doesn't fit the untrained one."""
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
