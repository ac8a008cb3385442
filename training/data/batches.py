"""Batches of examples. The seed decides their order and their random changes."""

import math

import keras
import numpy as np
import numpy.typing as npt

from data_prep.augment import Augmentation, Draw
from data_prep.volume import FloatArray
from training.data.examples import Examples
from training.data.targets import Target


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of inputs `[B, S, ...]`, targets `[B, ...]` and weights `[B]`.

    S is the number of slices of the longest exam. Shorter exams repeat their last slice, which doesn't change a maximum
    over slices.

    Args:
        examples: the exams.
        batch: exams in a batch.
        augmentation: random changes of slices and masks; None for figures.
        seed: decides order and random changes.
        oversample: in every epoch each kind of target comes equally often; exams of rare kinds repeat, each time with a
            new random change. Only for learning: figures and temperatures need the true frequencies of the classes.
        epoch: the first epoch.
    """

    def __init__(
        self,
        examples: Examples,
        batch: int,
        augmentation: Augmentation | None,
        seed: int,
        oversample: bool = False,
        epoch: int = 0,
    ) -> None:
        super().__init__()
        self.examples, self.batch, self.augmentation, self.seed = examples, batch, augmentation, seed
        self.oversample = oversample
        self.longest = max(len(exam) for exam in examples.inputs)
        self.epoch = epoch
        self._start()

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch)

    def __getitem__(self, index: int) -> tuple[FloatArray, Target, npt.NDArray[np.float32]]:
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        pairs = [self._pair(exam, repetition) for exam, repetition in chosen]
        inputs, targets = keras.tree.map_structure(lambda *parts: np.stack(parts), *pairs)
        return inputs, targets, self.examples.weights[chosen[:, 0]]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._start()

    def _start(self) -> None:
        """Set `order` `[N, 2]`: this epoch's exams, and how often each of them came before in the epoch."""
        random = np.random.default_rng((self.seed, self.epoch))
        exams = len(self.examples.inputs)
        once = np.column_stack([np.arange(exams), np.zeros(exams, int)])
        self.order = balanced(self.examples.targets.kinds, random) if self.oversample else once
        if self.augmentation or self.oversample:
            self.order = self.order[random.permutation(len(self.order))]

    def _pair(self, exam: int, repetition: int) -> tuple[FloatArray, Target]:
        """An exam's input `[longest, ...]` and its target."""
        slices = self.examples.inputs[exam]
        draw = self._draw(slices, exam, repetition)
        changed = draw.slices(slices) if draw else slices
        behind = ((0, self.longest - len(changed)), *((0, 0),) * (changed.ndim - 1))
        return np.pad(changed, behind, mode="edge"), self.examples.targets.one(exam, draw, self.longest)

    def _draw(self, slices: FloatArray, exam: int, repetition: int) -> Draw | None:
        if not self.augmentation or self.augmentation == Augmentation():
            return None
        key = (self.seed, self.epoch, exam, *([repetition] if repetition else []))
        count, height, width = slices.shape[:3]
        return self.augmentation.draw((count, height, width), np.random.default_rng(key))


def balanced(kinds: npt.NDArray[np.int_], random: np.random.Generator) -> npt.NDArray[np.int_]:
    """An epoch in which every kind of exam comes as often as the most common kind.

    Exams of one kind come equally often, except some randomly drawn ones that come once more.

    Args:
        kinds: the kind of each exam, `[E]`.
        random: draws the order.

    Returns:
        `[N, 2]`, the index of an exam and how often it came before.
    """
    _, rows = np.unique(kinds, return_inverse=True)
    most = np.bincount(rows).max()
    parts = []
    for row in range(rows.max() + 1):
        members = random.permutation(np.flatnonzero(rows == row))
        parts.append(np.stack([np.resize(members, most), np.arange(most) // len(members)], axis=1))
    return np.concatenate(parts)
