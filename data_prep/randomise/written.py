"""Randomised samples as files: arrays of a few dozen samples each, their masks, and a table of masks."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.files import replacing
from data_prep.masks.row import MaskRow
from data_prep.masks.table import write_masks
from data_prep.phantom.tissues import LabelArray, structure_table
from data_prep.randomise.label_maps import load_maps
from data_prep.randomise.sample import Randomiser
from data_prep.tables.exams import Split
from data_prep.workers import Workers

TOGETHER = 32  # samples in one file, which the table calls one exam
LARGEST_SHARE = 0.5  # of a picture; `data_prep.masks` takes a structure that covers more for an inverted mask
OTHER_KNEES = 8  # an eighth of the number of knees to learn from is for validation, and another one for the test
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Written:
    """Where samples are written, and which.

    Attributes:
        folder: For the table and the samples.
        maps: Where label maps are kept.
        structures: Names of the structures, keys of `STRUCTURES`.
        size: Rows and columns of a sample.
        seed: Of knees and samples.

    Raises:
        ValueError: If a structure doesn't exist, or the size isn't positive.
    """

    folder: Path
    maps: Path
    structures: tuple[str, ...]
    size: int
    seed: int

    def __post_init__(self) -> None:
        structure_table(self.structures)
        if self.size < 16:
            raise ValueError(f"samples need at least 16 x 16 pixels, not {self.size}")

    def write(self, counts: dict[Split, int], knees: int, workers: Workers) -> Path:
        """Write samples and `masks.csv`. Files that are there are kept. Splits have different knees.

        Args:
            counts: Samples of each split; rounded up to whole files.
            knees: Label maps to learn from.
            workers: Processes.

        Returns:
            The table.
        """
        rows = []
        for split in SPLITS:
            count = knees if split == "train" else max(knees // OTHER_KNEES, 1)
            files = range(-(-counts[split] // TOGETHER))
            if files:
                load_maps(self.maps, self._knees_seed(split), count, workers)
            rows += list(workers.run(partial(self._file, split, count), files, f"writing {split}", "file"))
        table = self.folder / "masks.csv"
        write_masks(rows, table)
        return table

    def _knees_seed(self, split: Split) -> int:
        return self.seed * len(SPLITS) + SPLITS.index(split)

    def _file(self, split: Split, knees: int, number: int) -> MaskRow:
        """Write samples of a split, `TOGETHER` in number, if they aren't there. Returns their row of the table."""
        name = f"random-{self.seed}-{split}-{number:05d}"
        image, mask = self.folder / f"{name}.npy", self.folder / f"{name}-masks.npz"
        if not (image.exists() and mask.exists()):
            maps = load_maps(self.maps, self._knees_seed(split), knees)
            randomiser = Randomiser(
                maps, self.structures, (self.size, self.size), seed=self._knees_seed(split) + 1_000_003
            )
            pictures, labels = _some(randomiser, number)
            with replacing(mask) as partly, partly.open("wb") as file:
                np.savez_compressed(
                    file, **{one: labels == value for value, one in enumerate(self.structures, start=1)}
                )
            with replacing(image) as partly, partly.open("wb") as file:
                np.save(file, pictures)
        return MaskRow(exam_id=name, patient_id=f"phantom-{name}", image=image, mask=mask, split=split)


def _some(randomiser: Randomiser, number: int) -> tuple[LabelArray, LabelArray]:
    """Uint8 `[TOGETHER, H, W]` pictures and labels, of which no structure covers more than `LARGEST_SHARE`."""
    pictures: list[LabelArray] = []
    labels: list[LabelArray] = []
    index = number * TOGETHER * 2
    while len(pictures) < TOGETHER:
        picture, shown = randomiser.sample(index)
        index += 1
        if np.bincount(shown.ravel())[1:].max(initial=0) <= LARGEST_SHARE * shown.size:
            pictures.append(np.round(picture * 255).astype(np.uint8))
            labels.append(shown)
    return np.stack(pictures), np.stack(labels)
