"""Small images with a bright oblique band in noise, the band's mask, and a table of masks of them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from data_prep.masks.annotated import Annotated
from data_prep.masks.row import MaskRow
from data_prep.masks.structures import Shows
from data_prep.masks.table import write_masks
from data_prep.tables.exams import Split

SIZE = 32
# A preset under which a network of 2,000 weights learns such images in seconds.
TINY = [
    "architecture.width=4",
    "architecture.depth=2",
    f"recipe.size=[{SIZE}, {SIZE}]",
    "recipe.extent_mm=[1000.0, 32.0, 32.0]",
    "fit.loss='cross-entropy'",
    "fit.learning_rate=0.01",
    "fit.epochs=3",
    "augmentation.an_epoch=0",
    "augmentation.oversample=false",
    *(f"augmentation.{name}=0.0" for name in ("rotation_degrees", "shift", "scale", "gamma")),
]


def band(seed: int, slices: int = 1, shown: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Float32 `[S, 32, 32]`, and where the band is, uint8: in the first half of the slices."""
    random = np.random.default_rng(seed)
    voxels = random.normal(100, 15, (slices, SIZE, SIZE)).astype(np.float32)
    labels = np.zeros(voxels.shape, np.uint8)
    start, end = random.integers(4, 12, 2), random.integers(20, 28, 2)
    for index in range(slices):
        if shown and index < (slices + 1) // 2:
            cv2.line(labels[index], start.tolist(), end.tolist(), 1, 4)
    voxels[labels > 0] += 120
    return voxels, labels


def annotated(seed: int, split: Split = "train", slices: int = 1, shown: bool = True, **rest: object) -> Annotated:
    """An exam of one patient, with pixels of 1 mm."""
    voxels, labels = band(seed, slices, shown)
    given = {"spacing_mm": (3.0, 1.0, 1.0), "drawn": np.ones(slices, bool), "structures": ("acl",)} | rest
    return Annotated(f"exam {seed}", f"patient {seed}", split, voxels, labels=labels, **given)


def table(folder: Path, splits: Sequence[Split], slices: int = 1, first: int = 0) -> Path:
    """Write a table of masks, an exam of each split given."""
    rows = []
    for seed, split in enumerate(splits, start=first):
        exam = annotated(seed, split, slices)
        np.save(folder / f"{seed}.npy", exam.voxels)
        np.savez_compressed(folder / f"{seed}-mask.npz", acl=exam.labels > 0)
        spacing = dict(zip(("slice_mm", "row_mm", "column_mm"), exam.spacing_mm, strict=True))
        rows.append(
            MaskRow(
                exam.exam_id,
                exam.patient_id,
                folder / f"{seed}.npy",
                folder / f"{seed}-mask.npz",
                structure=Shows.parsed("acl"),
                split=split,
                **spacing,
            )
        )
    write_masks(rows, folder / "masks.csv")
    return folder / "masks.csv"
