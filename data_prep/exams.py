"""The exam table: one row for each knee's study, as CSV that people can open and edit.

A set of classes is written `partial rupture or strain|complete rupture`; an empty cell says nothing in that scheme.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, cast, get_args

from data_prep.labels import SCHEMES, LabelScheme
from data_prep.volume import Laterality

Split = Literal["train", "val", "test", ""]


@dataclass(frozen=True)
class Exam:
    """One row.

    path: where the pixels are; relative paths start at the table's own folder.
    binary, four_class: the classes that the label allows in each scheme.
    readers: every reader's own label, as the source has them; weight: how much the exam counts in training.
    """

    exam_id: str
    patient_id: str
    source: str
    path: Path
    series_uid: str
    binary: frozenset[str]
    four_class: frozenset[str]
    readers: str = ""
    weight: float = 1.0
    laterality: Laterality = "unknown"
    scanner: str = "unknown"
    flags: str = ""
    split: Split = ""

    @property
    def truth(self) -> Path | None:
        """What is known of the pixels, an archive beside them: `acl`, bool `[S, R, C]`, and `box`, `[3, 2]`."""
        beside = self.path.parent / "truth.npz"
        return beside if beside.is_file() else None

    def allowed(self, scheme: LabelScheme) -> frozenset[str]:
        """The classes that this exam may have in `scheme`; empty if its label says nothing there."""
        return self.binary if scheme.name == "binary" else self.four_class


COLUMNS = tuple(column.name for column in fields(Exam))


def write_exams(exams: Iterable[Exam], table: Path) -> None:
    """Write the table at once or not at all; rows in the order given."""
    partial = table.with_name(table.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell(getattr(exam, column)) for column in COLUMNS] for exam in exams)
    partial.replace(table)


def read_exams(table: Path) -> list[Exam]:
    """Every row, checked; paths are made absolute. ValueError names the file, row and column."""
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{table}: no column {', '.join(sorted(missing))}")
        exams = [_exam(row, f"{table}, row {number}", table.parent) for number, row in enumerate(rows, start=2)]
    seen: set[str] = set()
    for number, exam in enumerate(exams, start=2):
        if exam.exam_id in seen:
            raise ValueError(f"{table}, row {number}, column exam_id: {exam.exam_id!r} stands there twice")
        seen.add(exam.exam_id)
    return exams


def _cell(value: object) -> str:
    if isinstance(value, frozenset):
        ranks = {name: rank for scheme in SCHEMES.values() for rank, name in enumerate(scheme.classes)}
        return "|".join(sorted(value, key=ranks.__getitem__))
    return value.as_posix() if isinstance(value, Path) else str(value)


def _exam(row: dict[str, str], place: str, root: Path) -> Exam:
    def reject(column: str, wanted: str) -> ValueError:
        return ValueError(f"{place}, column {column}: {row[column]!r} is not {wanted}")

    def classes(column: str) -> frozenset[str]:
        names = frozenset(name for name in (row[column] or "").split("|") if name)
        if not names <= set(SCHEMES[column].classes):
            raise reject(column, f"a set of {', '.join(SCHEMES[column].classes)}")
        return names

    if None in row or None in row.values():
        raise ValueError(f"{place}: {'more' if None in row else 'fewer'} cells than columns")
    for column in ("exam_id", "patient_id", "path"):
        if not row[column]:
            raise reject(column, "filled in")
    for column, choices in (("laterality", get_args(Laterality)), ("split", get_args(Split))):
        if row[column] not in choices:
            raise reject(column, "one of " + ", ".join(repr(choice) for choice in choices))
    try:
        weight = float(row["weight"])
    except ValueError:
        raise reject("weight", "a number") from None
    if not 0 <= weight < float("inf"):
        raise reject("weight", "a number from 0 up")
    return Exam(
        exam_id=row["exam_id"],
        patient_id=row["patient_id"],
        source=row["source"],
        path=root / row["path"],
        series_uid=row["series_uid"],
        binary=classes("binary"),
        four_class=classes("four_class"),
        readers=row["readers"],
        weight=weight,
        laterality=cast(Laterality, row["laterality"]),
        scanner=row["scanner"],
        flags=row["flags"],
        split=cast(Split, row["split"]),
    )
