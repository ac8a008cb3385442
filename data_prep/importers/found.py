"""The result of an importer, and what all importers share."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from data_prep.importers.label_table import LabelTable
from data_prep.tables import Faults, Line
from data_prep.tables.exams import MUST_BE, Cells, Exam, Spacing

# The text of `Exam.notes` where the data set doesn't give the spacing.
SPACING_ASSUMED = "spacing assumed"


@dataclass(frozen=True)
class ImportedExam:
    """An exam and the line of the data set's table that it comes from."""

    exam: Exam
    line: Line

    @property
    def place(self) -> str:
        """Where the line is, such as "train-acl.csv, row 3"."""
        return self.line.place


@dataclass(frozen=True)
class ImportResult:
    """All exams of a data set.

    Attributes:
        rows: The exams.
        notes: Sentences for the user, such as what was left out.
        faults: Faults of rows that were left out.
    """

    rows: tuple[ImportedExam, ...]
    notes: tuple[str, ...]
    faults: Faults = field(default_factory=Faults)


class Importer(Protocol):
    """An importer of one source: a module of this package."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the source's own options."""

    def find(self, options: argparse.Namespace, labels: LabelTable) -> ImportResult:
        """Read tables and headers, and pixels only where a box must be placed in them.

        Returns:
            The exams, and the faults of single rows.

        Raises:
            ValueError: For a fault of the whole data set.
        """


def data_set(options: argparse.Namespace, files: tuple[str, ...], form: str) -> Path:
    """Check the data set's folder.

    Args:
        options: The command line with `root`.
        files: Files and folders that must exist.
        form: How the data set's folder looks, for the error message.

    Returns:
        `--root` as an absolute path.

    Raises:
        ValueError: If one of the files is missing.
    """
    root: Path = options.root.resolve()
    for file in files:
        if not (root / file).exists():
            raise ValueError(f"--root {options.root} holds no {file}; {form}")
    return root


def add_spacing(parser: argparse.ArgumentParser, assumed: Spacing) -> None:
    """Add `--spacing`, for arrays that have no spacing."""
    parser.add_argument(
        "--spacing",
        type=_spacing,
        default=assumed,
        metavar="SLICES|ROWS|COLUMNS",
        help=f"mm between slices, rows and columns (assumed: {'|'.join(map(str, assumed))})",
    )


def spacing_note(spacing: Spacing) -> str:
    """The note for the user where the spacing is assumed."""
    slices, rows, columns = spacing
    return (
        f"The data set gives no spacing: {slices:g} mm between slices and {rows:g} x {columns:g} mm pixels are "
        "assumed (--spacing)."
    )


def named(names: list[str], shown: int = 5) -> str:
    """The first `shown` names, and how many more there are."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _spacing(text: str) -> Spacing:
    try:
        spacing = Cells.model_validate({"spacing_mm": text}).spacing_mm
    except ValueError:
        spacing = None
    if spacing is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not {MUST_BE['spacing_mm']}")
    return spacing
