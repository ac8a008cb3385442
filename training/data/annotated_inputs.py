"""From an annotated exam to a segmenter's network input and what it should answer there."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from data_prep.masks.annotated import Annotated
from data_prep.network_input.footprint import Footprint
from data_prep.tables.exams import Split
from data_prep.volume import FloatArray
from models.segment.recipe import SegmentRecipe, inputs, targets
from training.config.segmentation import SegmentConfig

Labels = npt.NDArray[np.int8]
# The label of a pixel that nobody has labelled; losses and figures leave it out.
UNKNOWN: Literal[-1] = -1


@dataclass(frozen=True, eq=False)
class AnnotatedInput:
    """One exam as a segmenter learns from it.

    Attributes:
        exam_id: the exam.
        patient_id: its patient.
        split: its split.
        image: float32 `[s, H, W, channels]` in 0..1.
        labels: int8 `[s, H, W]`: 0 for the background, 1 and so on for the configuration's structures, UNKNOWN in
            slices that weren't drawn.
    """

    exam_id: str
    patient_id: str
    split: Split
    image: FloatArray
    labels: Labels

    @classmethod
    def of(cls, exam: Annotated, config: SegmentConfig) -> "AnnotatedInput":
        """Make the network input of an exam.

        Raises:
            ValueError: a structure of the configuration wasn't drawn; the message names the exam.
            UnsuitableStudy: the network input would have too many pixels.
        """
        recipe = config.inputs
        image, footprint = inputs(exam.voxels, exam.spacing_mm, recipe)
        labels = targets(labels_of(exam, config.structures), footprint, recipe).astype(np.int8)
        labels[~exam.drawn[slice(*footprint.slices)]] = UNKNOWN
        return cls(exam.exam_id, exam.patient_id, exam.split, image, labels)

    @property
    def drawn(self) -> list[int]:
        """The slices whose labels are known."""
        return np.flatnonzero((self.labels != UNKNOWN).any(axis=(1, 2))).tolist()


def labels_of(exam: Annotated, structures: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """The exam's labels `[S, R, C]`: 1 + the index into `structures`. Other structures become background.

    Raises:
        ValueError: one of the structures wasn't drawn in this exam; the message names the exam.
    """
    if missing := [name for name in structures if name not in exam.structures]:
        raise ValueError(
            f"exam {exam.exam_id}: nobody has drawn {', '.join(missing)}, only {', '.join(exam.structures)}; "
            f"choose other structures, or leave the exam out"
        )
    new = [0, *(1 + structures.index(name) if name in structures else 0 for name in exam.structures)]
    return np.array(new, np.uint8)[exam.labels]


def grid_labels(exam: Annotated, structures: tuple[str, ...], footprint: Footprint, recipe: SegmentRecipe) -> Labels:
    """The truth on a network input's pixels, for figures: int8 `[s, H, W]`, UNKNOWN also outside of the image."""
    labels = targets(labels_of(exam, structures), footprint, recipe).astype(np.int8)
    known = np.broadcast_to(exam.drawn[:, None, None], exam.shape).astype(np.uint8)
    labels[targets(known, footprint, recipe) == 0] = UNKNOWN
    return labels
