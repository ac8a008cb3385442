"""What a network should predict: the classes that each label allows, or masks.

If an augmentation moves an exam's slices, it moves the exam's mask in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from data_prep.augment import Draw
from data_prep.volume import FloatArray

Indices = Sequence[int] | npt.NDArray[np.int_]
Mask = npt.NDArray[np.bool_]
# What a loss takes: one array, or one for each output of a network by name.
Target = FloatArray | dict[str, FloatArray]


class Targets(Protocol):
    """The targets of N exams, in order."""

    def __len__(self) -> int:
        """N."""

    @property
    def kinds(self) -> npt.NDArray[np.int_]:
        """`[N]`: exams with the same number have the same kind of target. `oversample` and `rarity` count by it."""

    def one(self, exam: int, draw: Draw | None, slices: int) -> Target:
        """The target of one exam, float32, as the loss takes it.

        Args:
            exam: its index.
            draw: the change of the exam's slices, if there is one.
            slices: how many slices the exam has in its batch; missing ones are copies of the last slice.
        """

    def take(self, exams: Indices) -> Self:
        """The targets of these exams, in this order; an exam may come several times."""


@dataclass(frozen=True, eq=False)
class ClassSets:
    """Sets of classes; `allowed` is float32 `[N, K]`, 1 for each class that the exam's label allows."""

    allowed: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.allowed)

    @property
    def kinds(self) -> npt.NDArray[np.int_]:
        _, rows = np.unique(self.allowed, axis=0, return_inverse=True)
        return np.asarray(rows, np.int_)

    def one(self, exam: int, draw: Draw | None, slices: int) -> Target:
        """`[K]`; it doesn't depend on changes of the slices."""
        allowed: FloatArray = self.allowed[exam]
        return allowed

    def take(self, exams: Indices) -> "ClassSets":
        return ClassSets(self.allowed[np.asarray(exams)])


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks; `masks` has bool `[S, H, W]` of each exam, in the pixels of its slices."""

    masks: Sequence[Mask]

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def kinds(self) -> npt.NDArray[np.int_]:
        """1 where the mask has anything in it."""
        return np.array([int(mask.any()) for mask in self.masks])

    def one(self, exam: int, draw: Draw | None, slices: int) -> FloatArray:
        """`[slices, H, W]`, 0 or 1, moved like the slices."""
        mask = self.masks[exam]
        moved = draw.mask(mask) if draw else mask
        return np.pad(moved, ((0, slices - len(moved)), (0, 0), (0, 0)), mode="edge").astype(np.float32)

    def take(self, exams: Indices) -> "Masks":
        return Masks([self.masks[exam] for exam in exams])


def rarity(kinds: npt.NDArray[np.int_]) -> npt.NDArray[np.float32]:
    """Weights `[N]`, with mean 1, that give every kind of `kinds` `[N]` the same total weight."""
    _, rows, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    weights: npt.NDArray[np.float32] = (len(kinds) / (len(counts) * counts[rows])).astype(np.float32)
    return weights
