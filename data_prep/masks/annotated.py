"""One exam's pixels with what somebody drew on them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.limits import odd_geometry
from data_prep.masks.structures import STRUCTURES
from data_prep.tables.exams import Split


@dataclass(frozen=True, eq=False)
class Annotated:
    """The pixels of one exam and which structure each of them shows.

    Attributes:
        exam_id: the exam.
        patient_id: its patient.
        split: train, val, test, or '' for none.
        voxels: float32 `[S, R, C]`, in the source's units. One picture has S = 1.
        spacing_mm: between slices, rows and columns; None if the size of a pixel isn't known.
        labels: uint8 `[S, R, C]`, 0 for the background and 1 + the index into `structures`.
        drawn: bool `[S]`, the slices whose labels are known. In the others, 0 doesn't mean background.
        structures: names out of `STRUCTURES`, at least one. All of them are known in every drawn slice.

    Raises:
        ValueError: shapes, types, labels or structures don't fit each other; the message names the exam.
    """

    exam_id: str
    patient_id: str
    split: Split
    voxels: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float, float] | None
    labels: npt.NDArray[np.uint8]
    drawn: npt.NDArray[np.bool_]
    structures: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.exam_id or not self.patient_id:
            raise ValueError("an annotated exam needs an exam id and a patient id")
        if wrong := _wrong(self):
            raise ValueError(f"exam {self.exam_id}: {wrong}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.voxels.shape
        return slices, rows, columns

    def mask(self, structure: str) -> npt.NDArray[np.bool_]:
        """Where a structure was drawn, bool `[S, R, C]`; False in slices that weren't drawn on.

        Raises:
            ValueError: the structure isn't one of `structures`.
        """
        if structure not in self.structures:
            raise ValueError(f"exam {self.exam_id}: no {structure} was drawn, only {', '.join(self.structures)}")
        found: npt.NDArray[np.bool_] = self.labels == 1 + self.structures.index(structure)
        return found


def _wrong(one: Annotated) -> str | None:
    """What doesn't fit in the arrays; None if everything does."""
    if one.voxels.dtype != np.float32 or one.voxels.ndim != 3 or 0 in one.voxels.shape:
        return f"voxels must be float32 [slices, rows, columns], not {one.voxels.dtype} {one.voxels.shape}"
    if one.labels.dtype != np.uint8 or one.labels.shape != one.voxels.shape:
        return f"labels must be uint8 {one.voxels.shape}, as the voxels, not {one.labels.dtype} {one.labels.shape}"
    if one.drawn.dtype != np.bool_ or one.drawn.shape != one.voxels.shape[:1]:
        return f"drawn must be bool {one.voxels.shape[:1]}, one for each slice, not {one.drawn.dtype} {one.drawn.shape}"
    if not np.isfinite(one.voxels).all():
        return "some of its pixels are not finite numbers"
    if one.spacing_mm is not None and (odd := odd_geometry(one.shape, one.spacing_mm)):
        return f"{odd}. Check its spacing"
    return _wrong_labels(one)


def _wrong_labels(one: Annotated) -> str | None:
    if not one.structures or len(set(one.structures)) < len(one.structures):
        return "it needs the names of its structures, each of them once"
    if unknown := [name for name in one.structures if name not in STRUCTURES]:
        return f"unknown structure {', '.join(unknown)}; known are {', '.join(STRUCTURES)}"
    if (largest := int(one.labels.max())) > len(one.structures):
        return f"a label is {largest}, but it has only {len(one.structures)} structures"
    if one.labels[~one.drawn].any():
        return "there are labels in a slice that isn't drawn"
    if not one.drawn.any():
        return "no slice is drawn"
    return None
