"""From exam tables to what `fit` reads: slices on the recipe's grid, labels as sets of classes, batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from data_prep.augment import Augmentation
from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.cache import make_ready
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from data_prep.workers import Workers


@dataclass(frozen=True, eq=False)
class Examples:
    """Exams ready to learn from: `slices` float32 `[S, H, W]` of each, `allowed` `[N, K]`, `weights` `[N]`.

    Where a trunk's frozen part has seen the slices, they are its grids `[S, h, w, C]`.
    """

    slices: Sequence[FloatArray]
    allowed: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


def prepare(
    exams: Sequence[Exam], scheme: LabelScheme, recipe: Recipe, ready: Path, workers: Workers, on_ligament: bool = False
) -> Examples:
    """Arrays in the folder `ready`, made where they are missing, and labels.

    on_ligament: cut around the known ligament instead of the volume's centre. Raises ValueError naming the exam whose
    label says nothing in this scheme, whose ligament isn't known or whose array won't do, InputError for pixels that
    can't be read.
    """
    for exam in exams:
        if not exam.allowed(scheme):
            raise ValueError(f"exam {exam.exam_id} has no {scheme.name} label")
        if unknown := exam.allowed(scheme) - set(scheme.classes):
            raise ValueError(f"exam {exam.exam_id}: no class {', '.join(sorted(unknown))} in scheme {scheme.name}")
        if on_ligament and not (exam.box or exam.mask):
            raise ValueError(f"exam {exam.exam_id} has no box or mask: a warm-up needs to know where the ligament is")
    arrays = make_ready(exams, recipe, ready, workers, on_ligament)
    for exam, slices in zip(exams, arrays, strict=True):
        check_slices(exam.exam_id, slices, recipe.size)
    return Examples(
        slices=arrays,
        allowed=np.stack([scheme.members(exam.allowed(scheme)) for exam in exams]),
        weights=np.array([exam.weight for exam in exams], np.float32),
    )


def check_slices(exam_id: str, slices: FloatArray, size: tuple[int, int]) -> None:
    """ValueError for what a network can't learn from: other shapes than `[S, *size]`, values that are no numbers."""
    if slices.ndim != 3 or not len(slices) or slices.shape[1:] != size:
        raise ValueError(
            f"exam {exam_id}: its array is {list(slices.shape)}, but the recipe makes [S, {size[0]}, {size[1]}]"
        )
    if not np.isfinite(slices).all():
        raise ValueError(f"exam {exam_id}: its array holds values that are no numbers")


def unseen_classes(exams: Sequence[Exam], scheme: LabelScheme) -> list[str]:
    """Classes that no exam's label allows: nothing can be learnt about them."""
    return [name for name in scheme.classes if not any(name in exam.allowed(scheme) for exam in exams)]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Exams `[B, S, H, W]`, allowed classes `[B, K]` and weights `[B]`, in an order and with draws given by the seed.

    S is the longest exam's: shorter ones repeat their last slice, which a maximum over slices doesn't see.
    oversample: in every epoch each set of allowed classes comes equally often; exams of rare sets repeat, each time
    with a fresh draw. Only for learning: figures and temperatures need classes as often as they are.
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
        self.longest = max(len(slices) for slices in examples.slices)
        self.epoch = epoch
        self._start()

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch)

    def __getitem__(self, index: int) -> tuple[FloatArray, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        slices = np.stack([self._padded(exam, repetition) for exam, repetition in chosen])
        exams = chosen[:, 0]
        return slices, self.examples.allowed[exams], self.examples.weights[exams]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._start()

    def _start(self) -> None:
        """Set `order` `[N, 2]`: this epoch's exams, and how often each came before."""
        random = np.random.default_rng((self.seed, self.epoch))
        exams = len(self.examples.slices)
        once = np.column_stack([np.arange(exams), np.zeros(exams, int)])
        self.order = balanced(self.examples.allowed, random) if self.oversample else once
        if self.augmentation or self.oversample:
            self.order = self.order[random.permutation(len(self.order))]

    def _padded(self, exam: int, repetition: int) -> FloatArray:
        slices = self.examples.slices[exam]
        if self.augmentation:
            key = (self.seed, self.epoch, exam, *([repetition] if repetition else []))
            slices = self.augmentation.apply(slices, np.random.default_rng(key))
        behind = ((0, self.longest - len(slices)), *((0, 0),) * (slices.ndim - 1))
        return np.pad(slices, behind, mode="edge")


def balanced(allowed: npt.NDArray[np.float32], random: np.random.Generator) -> npt.NDArray[np.int_]:
    """`[N, 2]`, exams and how often each came before: every row of `allowed` `[E, K]` as often as the commonest.

    Exams of one row come equally often, but for some, newly drawn, that come once more.
    """
    _, rows = np.unique(allowed, axis=0, return_inverse=True)
    most = np.bincount(rows).max()
    parts = []
    for row in range(rows.max() + 1):
        members = random.permutation(np.flatnonzero(rows == row))
        parts.append(np.stack([np.resize(members, most), np.arange(most) // len(members)], axis=1))
    return np.concatenate(parts)


def rarity(allowed: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weights `[N]` of mean one under which every row of `allowed` `[N, K]` counts alike, however common it is."""
    _, rows, counts = np.unique(allowed, axis=0, return_inverse=True, return_counts=True)
    weights: npt.NDArray[np.float32] = (len(allowed) / (len(counts) * counts[rows])).astype(np.float32)
    return weights
