"""What an importer finds in a data set, and what all importers have in common."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from data_prep.importers.label_table import LabelTable
from data_prep.tables import Faults, Line
from data_prep.tables.exams import PARSERS, Exam, Spacing

# What `Exam.notes` says of pixels whose distances the data set doesn't tell.
SPACING_ASSUMED = "spacing assumed"


@dataclass(frozen=True)
class ImportedExam:
    """An exam and the line of the data set's table that tells of it."""

    exam: Exam
    line: Line

    @property
    def place(self) -> str:
        """Such as "train-acl.csv, row 3"."""
        return self.line.place


@dataclass(frozen=True)
class ImportResult:
    """All exams of a data set. notes: sentences for the user, such as what was left out. faults: rows left out."""

    rows: tuple[ImportedExam, ...]
    notes: tuple[str, ...]
    faults: Faults = field(default_factory=Faults)


class Importer(Protocol):
    """One kind of data set; a module of this package each."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The source's own options."""

    def find(self, options: argparse.Namespace, labels: LabelTable) -> ImportResult:
        """Read tables and headers, and pixels only where a box has to be placed in them.

        Faults of single rows are collected; a ValueError is what concerns the whole data set.
        """


def data_set(options: argparse.Namespace, files: tuple[str, ...], form: str) -> Path:
    """`--root`, made absolute. ValueError says what the data set's folder looks like if it lacks one of the files."""
    root: Path = options.root.resolve()
    for file in files:
        if not (root / file).exists():
            raise ValueError(f"--root {options.root} holds no {file}; {form}")
    return root


def add_spacing(parser: argparse.ArgumentParser, assumed: Spacing) -> None:
    """`--spacing`, for arrays that come without one."""
    parser.add_argument(
        "--spacing",
        type=_spacing,
        default=assumed,
        metavar="SLICES|ROWS|COLUMNS",
        help=f"mm between slices, rows and columns (assumed: {'|'.join(map(str, assumed))})",
    )


def spacing_note(spacing: Spacing) -> str:
    """What has to be said wherever distances are assumed."""
    slices, rows, columns = spacing
    return (
        f"The data set tells no distances: {slices:g} mm between slices and {rows:g} x {columns:g} mm pixels are "
        "assumed (--spacing)."
    )


def named(names: list[str], shown: int = 5) -> str:
    """The first few of many names, as text."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _spacing(text: str) -> Spacing:
    try:
        slices, rows, columns = PARSERS["spacing_mm"](text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None
    return slices, rows, columns
