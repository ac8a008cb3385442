"""From exam tables to what `fit` reads: network inputs, targets and weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.cache import Around, make_inputs
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from data_prep.workers import Workers
from training.data.targets import ClassSets, Targets


@dataclass(frozen=True, eq=False)
class Examples:
    """N exams to learn from.

    Attributes:
        inputs: each exam's network input, float32 `[S, H, W]`, or its frozen features, `[S, h, w, C]`.
        targets: what the network should predict.
        weights: float32 `[N]`.
    """

    inputs: Sequence[FloatArray]
    targets: Targets
    weights: npt.NDArray[np.float32]

    @property
    def allowed(self) -> npt.NDArray[np.float32]:
        """The classes that each label allows, `[N, K]`; TypeError if the targets aren't sets of classes."""
        if not isinstance(self.targets, ClassSets):
            raise TypeError(f"these examples have {type(self.targets).__name__}, not sets of classes")
        return self.targets.allowed


def prepare(
    exams: Sequence[Exam],
    scheme: LabelScheme,
    recipe: Recipe,
    folder: Path,
    workers: Workers,
    around: Around = "centre",
) -> Examples:
    """Network inputs and labels of exams; missing network inputs are made first.

    Args:
        exams: the exams.
        scheme: the classes.
        recipe: how network inputs are made.
        folder: the folder of network inputs.
        workers: the processes that make them.
        around: what the block is cut around.

    Raises:
        ValueError: names an exam without a label in this scheme, without a known ligament although the block should lie
            around it, or with an array that isn't what the recipe makes.
        InputError: for pixels that can't be read.
    """
    for exam in exams:
        if not exam.allowed(scheme):
            raise ValueError(f"exam {exam.exam_id} has no {scheme.name} label")
        if unknown := exam.allowed(scheme) - set(scheme.classes):
            raise ValueError(f"exam {exam.exam_id}: no class {', '.join(sorted(unknown))} in scheme {scheme.name}")
        if around == "ligament" and not (exam.box or exam.mask):
            raise ValueError(f"exam {exam.exam_id} has no box or mask: a warm-up needs to know where the ligament is")
    inputs = make_inputs(exams, recipe, folder, workers, around)
    for exam, slices in zip(exams, inputs, strict=True):
        check_slices(exam.exam_id, slices, recipe.shape)
    return Examples(
        inputs,
        ClassSets(np.stack([scheme.members(exam.allowed(scheme)) for exam in exams])),
        np.array([exam.weight for exam in exams], np.float32),
    )


def check_slices(exam_id: str, slices: FloatArray, shape: tuple[int, ...]) -> None:
    """Raises ValueError for an array that isn't `[S, *shape]` or has values that aren't finite numbers."""
    if not len(slices) or slices.shape[1:] != shape:
        made = ", ".join(map(str, shape))
        raise ValueError(f"exam {exam_id}: its array is {list(slices.shape)}, but the recipe makes [S, {made}]")
    if not np.isfinite(slices).all():
        raise ValueError(f"exam {exam_id}: its array has values that aren't finite numbers")


def unseen_classes(exams: Sequence[Exam], scheme: LabelScheme) -> list[str]:
    """Classes that no exam's label allows: nothing can be learnt about them."""
    return [name for name in scheme.classes if not any(name in exam.allowed(scheme) for exam in exams)]
