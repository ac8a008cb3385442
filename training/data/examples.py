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

    inputs: of each exam what the network is given, float32 `[S, H, W]`, or `[S, h, w, C]` where the frozen part of a
    trunk has made features of it. targets: what the network shall answer. weights: float32 `[N]`.
    """

    inputs: Sequence[FloatArray]
    targets: Targets
    weights: npt.NDArray[np.float32]

    @property
    def allowed(self) -> npt.NDArray[np.float32]:
        """The classes that each label allows, `[N, K]`; TypeError if the targets are others."""
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
    """Network inputs in `folder`, made where they are missing, and labels.

    around: what the block is cut around.

    Raises:
        ValueError: names the exam whose label says nothing in this scheme, whose ligament isn't known though the block
            shall lie around it, or whose array isn't what the recipe makes.
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
        check_slices(exam.exam_id, slices, recipe.size)
    return Examples(
        inputs,
        ClassSets(np.stack([scheme.members(exam.allowed(scheme)) for exam in exams])),
        np.array([exam.weight for exam in exams], np.float32),
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
