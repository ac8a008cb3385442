"""Synthetic knees with exact class counts, written into a folder: as many as a real cohort has, with known truth."""

import argparse
from dataclasses import replace

from data_prep.importers.found import ImportedExam, ImportResult
from data_prep.importers.label_table import LabelTable
from data_prep.labels import FOUR_CLASS
from data_prep.phantom.cohort import Cohort, class_weights
from data_prep.phantom.scanner import PROFILES
from data_prep.tables import Line
from data_prep.tables.exams import read_exams

TABLE = "exams.csv"
# The cohort of the published project that this one follows: 761 exams of two 1.5 T scanners, classes by `FOUR_CLASS`.
LIKE = {"mono": Cohort(seed=1, counts=(462, 88, 59, 152), profiles=PROFILES[:2])}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--like` or `--classes`, and `--seed`."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--like", choices=LIKE, help="the size, classes and scanners of a published cohort")
    which.add_argument(
        "--classes",
        type=_counts,
        help='number of exams of each class, such as "healthy:30,complete rupture:10"; the classes: '
        + ", ".join(FOUR_CLASS.classes),
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")


def find(options: argparse.Namespace, labels: LabelTable) -> ImportResult:
    """Make the cohort in `--root` and return its rows.

    Raises:
        ValueError: If the folder holds a cohort already.
    """
    root = options.root.resolve()
    if (root / TABLE).exists():
        raise ValueError(f"--root {options.root} holds a cohort already ({TABLE}); name a new folder")
    cohort = (
        replace(LIKE[options.like], seed=options.seed) if options.like else Cohort(options.seed, counts=options.classes)
    )
    exams = cohort.write(root, sum(cohort.counts), options.jobs, options.cluster)
    written = zip(read_exams(root / TABLE), range(2, len(exams) + 2), strict=True)
    return ImportResult(tuple(ImportedExam(exam, Line(TABLE, number, {})) for exam, number in written), ())


def _counts(text: str) -> tuple[int, ...]:
    try:
        weights = class_weights(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not all(weight.is_integer() for weight in weights) or min(weights) < 0 or not any(weights):
        raise argparse.ArgumentTypeError(f"{text!r}: counts are whole numbers from 0 up, not all of them 0")
    return tuple(map(int, weights))
