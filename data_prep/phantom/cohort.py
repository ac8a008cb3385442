"""Many synthetic knees and their exam table.

Exam `i` of seed `S` depends only on these two numbers and on the cohort's description, not on the number of exams made.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.phantom.dicom_out import write
from data_prep.phantom.knee import generate
from data_prep.phantom.scanner import Profile
from data_prep.tables.exams import Exam, Split, write_exams
from data_prep.workers import Workers

PLASTIC = 1.324717957244746  # M. Roberts' "R2" sequence: fills the unit square evenly for any number of points


@dataclass(frozen=True)
class Cohort:
    """A description of a cohort of synthetic knees.

    Attributes:
        seed: The cohort's seed.
        weights: Relative frequency of each class of `FOUR_CLASS`.
        val: Share of the exams in the validation split.
        test: Share of the exams in the test split.
        counts: Exact number of exams of each class, in random order; used instead of `weights` if given.
        profiles: The scanners; () for all of `PROFILES`.
    """

    seed: int
    weights: tuple[float, ...] = (3.0, 1.0, 1.0, 1.0)
    val: float = 0.15
    test: float = 0.15
    counts: tuple[int, ...] = ()
    profiles: tuple[Profile, ...] = ()

    def __post_init__(self) -> None:
        if len(self.weights) != len(FOUR_CLASS) or min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError("weights must be four numbers from 0 up, not all of them 0")
        if self.counts and (len(self.counts) != len(FOUR_CLASS) or min(self.counts) < 0 or sum(self.counts) == 0):
            raise ValueError("counts must be four whole numbers from 0 up, not all of them 0")
        if min(self.val, self.test) < 0 or self.val + self.test > 1:
            raise ValueError("val and test must be shares that add up to at most 1")

    def exam_id(self, index: int) -> str:
        """Name of an exam and of its folder."""
        return f"ph-{self.seed}-{index:05d}"

    def label(self, index: int) -> str:
        """Class of an exam. Without `counts`, classes are spread evenly, so that a few exams have all classes."""
        if self.counts:
            order = np.random.default_rng(self.seed).permutation(np.repeat(np.arange(len(FOUR_CLASS)), self.counts))
            return FOUR_CLASS.classes[int(order[index])]
        edges = np.cumsum(self.weights) / sum(self.weights)
        return FOUR_CLASS.classes[int(np.searchsorted(edges, self._spread(index)[0], side="right"))]

    def split(self, index: int) -> Split:
        """Split of an exam, independent of its class."""
        place = self._spread(index)[1]
        return "test" if place < self.test else "val" if place < self.test + self.val else "train"

    def make(self, index: int, folder: Path) -> Exam:
        """Generate one exam, write it to its own folder below `folder`, and return its row."""
        label, name = self.label(index), self.exam_id(index)
        seed, turn = np.random.SeedSequence([self.seed, index]).generate_state(2, np.uint64).tolist()
        profile = self.profiles[turn % len(self.profiles)] if self.profiles else None
        phantom = generate(seed, label, profile)
        write(phantom, folder / name)
        volume = phantom.to_volume()
        binary = BINARY.classes[FOUR_CLASS.collapses_into[BINARY.name][FOUR_CLASS.index(label)]]
        return Exam(
            exam_id=name,
            patient_id=f"phantom-{seed:016x}",
            source="phantom",
            path=Path(name) / "dicom",
            study_uid=volume.study_uid,
            series_uid=volume.series_uid,
            binary=frozenset({binary}),
            four_class=frozenset({label}),
            laterality=volume.laterality,
            scanner=phantom.scan.profile.name,
            box=phantom.box,
            mask=Path(name) / "truth.npz",
            split=self.split(index),
        )

    def write(self, folder: Path, exams: int, jobs: int = 1, cluster: str = "") -> list[Exam]:
        """Write exams 0 to `exams` - 1 and `folder/exams.csv`; for jobs and cluster see `Workers`."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(Workers(jobs, cluster).run(partial(self.make, folder=folder), range(exams), "making"))
        write_exams(rows, folder / "exams.csv")
        return rows

    def _spread(self, index: int) -> tuple[float, float]:
        start = np.random.default_rng(self.seed).random(2)
        return float((start[0] + index / PLASTIC) % 1), float((start[1] + index / PLASTIC**2) % 1)


def class_weights(text: str) -> tuple[float, ...]:
    """Read weights such as `healthy:2,complete rupture:1`.

    Returns:
        One number for each class of `FOUR_CLASS`, in its order; 0 for classes that aren't named.

    Raises:
        ValueError: If a name isn't a class or a weight isn't a number.
    """
    weights = dict.fromkeys(FOUR_CLASS.classes, 0.0)
    for item in text.split(","):
        name, _, weight = item.strip().partition(":")
        FOUR_CLASS.index(name)
        weights[name] = float(weight or 1)
    return tuple(weights.values())
