"""Importers as the command line asks them."""

import argparse
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.importers import IMPORTERS
from data_prep.importers.found import ImportResult
from data_prep.importers.label_table import LabelTable
from data_prep.tables.exams import Exam, read_exams, write_exams
from data_prep.workers import Workers


def ask(source: str, root: Path, *arguments: object, labels: Path | None = None) -> ImportResult:
    """What the source finds below a folder."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--root", type=Path, required=True)
    IMPORTERS[source].add_options(parser)
    Workers.add_options(parser)
    parser.add_argument("--out", type=Path, default=root.parent / "exams.csv")
    options = parser.parse_args(["--root", str(root), "--jobs", "1", *map(str, arguments)])
    found = IMPORTERS[source].find(options, LabelTable.load(labels))
    found.faults.check()
    return found


def exams_of(found: ImportResult, scratch: Path) -> dict[str, Exam]:
    """Exams by id, once through a table on disk, which checks every cell."""
    write_exams([row.exam for row in found.rows], scratch / "written.csv")
    exams = read_exams(scratch / "written.csv")
    assert exams == [row.exam for row in found.rows]
    assert all(exam.path.is_absolute() and exam.path.exists() for exam in exams)
    return {exam.exam_id: exam for exam in exams}


def write_csv(table: Path, rows: Iterable[Sequence[object]]) -> Path:
    """A table as spreadsheets write it."""
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return table


def save_as_german_excel(table: Path) -> None:
    """Semicolons, decimal commas, a byte order mark, lost zeros, and rows of separators at the end."""
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [[_german(cell) for cell in row] for row in csv.reader(stream)]
    with table.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";").writerows([*rows, *[[""] * len(rows[0])] * 3])


def check_german_excel_changes_nothing(source: str, root: Path, *options: object, others: Sequence[Path] = ()) -> None:
    """The data set says the same after its tables were saved again, but for numbers' spelling in readers' labels.

    others: tables that don't lie in `root`.
    """
    before = ask(source, root, *options)
    for table in [*root.glob("*.csv"), *others]:
        save_as_german_excel(table)
    after = ask(source, root, *options)
    for row, known in zip(after.rows, before.rows, strict=True):
        assert row.place == known.place
        assert row.exam == replace(known.exam, readers=row.exam.readers)
    assert after.notes == before.notes


def _german(cell: str) -> str:
    if re.fullmatch(r"\d+", cell):
        return str(int(cell))
    return cell.replace(".", ",") if re.fullmatch(r"\d+\.\d+", cell) else cell


def change(table: Path, old: str, new: str) -> None:
    """Replace text that stands in a file exactly once."""
    text = table.read_text(encoding="utf-8")
    assert text.count(old) == 1
    table.write_text(text.replace(old, new), encoding="utf-8")
