"""The exam table: one row for each knee's study, as CSV that people can open and edit.

A set of classes is written `partial rupture or strain|complete rupture`; an empty cell says nothing in that scheme.
"""

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from data_prep.boxes import Box
from data_prep.files import replacing
from data_prep.labels import SCHEMES, LabelScheme
from data_prep.volume import Laterality

Split = Literal["train", "val", "test", ""]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Exam:
    """One row. Only `exam_id`, `patient_id` and `path` have to be filled in.

    path: a DICOM file, folder or zip, an array (.npy) or KneeMRI's .pck; relative paths start at the table's folder.
    study_uid, series_uid: which of the images there; '' leaves the choice to the headers.
    binary, four_class: the classes that the label allows in each scheme.
    readers: every reader's own label, as the source has them; weight: how much the exam counts in training.
    spacing_mm: slices, rows, columns, for pixels without a header.
    box, mask: where the ligament is known to lie; mask is an archive (.npz) with `acl`, bool `[S, R, C]`.
    report: a digest of the report's text. flags: what the quality screen found, `kind: reason | kind: reason`.
    """

    exam_id: str
    patient_id: str
    path: Path
    source: str = ""
    study_uid: str = ""
    series_uid: str = ""
    binary: frozenset[str] = frozenset()
    four_class: frozenset[str] = frozenset()
    readers: str = ""
    weight: float = 1.0
    laterality: Laterality = "unknown"
    scanner: str = "unknown"
    spacing_mm: Spacing | None = None
    box: Box | None = None
    mask: Path | None = None
    report: str = ""
    flags: str = ""
    split: Split = ""
    notes: str = ""

    def allowed(self, scheme: LabelScheme) -> frozenset[str]:
        """The classes that this exam may have in `scheme`; empty if its label says nothing there."""
        return self.binary if scheme.name == "binary" else self.four_class


COLUMNS = tuple(column.name for column in fields(Exam))
REQUIRED = tuple(column.name for column in fields(Exam) if column.default is MISSING)


def write_exams(exams: Iterable[Exam], table: Path) -> None:
    """Write the table at once or not at all; rows in the order given, paths below the table's folder relative to it."""
    with replacing(table) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell(getattr(exam, column), table.parent) for column in COLUMNS] for exam in exams)


def read_exams(table: Path) -> list[Exam]:
    """Every row, checked; paths are made absolute. ValueError names the file, row and column."""
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        columns = rows.fieldnames or ()
        if missing := set(REQUIRED) - set(columns):
            raise ValueError(f"{table}: no column {', '.join(sorted(missing))}")
        if unknown := set(columns) - set(COLUMNS):
            raise ValueError(
                f"{table}: unknown column {', '.join(sorted(unknown))}; `notes` is there for your own words"
            )
        home = table.parent.absolute()
        exams = [_exam(row, f"{table}, row {number}", home) for number, row in enumerate(rows, start=2)]
    seen: set[str] = set()
    for number, exam in enumerate(exams, start=2):
        if exam.exam_id in seen:
            raise ValueError(f"{table}, row {number}, column exam_id: {exam.exam_id!r} stands there twice")
        seen.add(exam.exam_id)
    return exams


def _cell(value: object, folder: Path) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:g}"
        case frozenset():
            ranks = {name: rank for scheme in SCHEMES.values() for rank, name in enumerate(scheme.classes)}
            return "|".join(sorted(value, key=ranks.__getitem__))
        case Path():
            absolute, home = value.absolute(), folder.absolute()
            if value.is_absolute() and absolute.is_relative_to(home):
                value = absolute.relative_to(home)
            return value.as_posix()
        case tuple():
            return "|".join(f"{part[0]}:{part[1]}" if isinstance(part, tuple) else f"{part:g}" for part in value)
    return str(value)


def _exam(row: dict[str, str], place: str, root: Path) -> Exam:
    if None in row or None in row.values():
        raise ValueError(f"{place}: {'more' if None in row else 'fewer'} cells than columns")
    values: dict[str, Any] = {}
    for column, text in row.items():
        if column in REQUIRED and not text:
            raise ValueError(f"{place}, column {column}: '' is not filled in")
        if text:
            try:
                values[column] = PARSERS.get(column, str)(text)
            except ValueError as error:
                raise ValueError(f"{place}, column {column}: {text!r} is not {error}") from None
    for column in ("path", "mask"):
        if column in values:
            values[column] = root / values[column]
    return Exam(**values)


def _classes(scheme: LabelScheme) -> Callable[[str], frozenset[str]]:
    def parse(text: str) -> frozenset[str]:
        names = frozenset(text.split("|"))
        if not names <= set(scheme.classes):
            raise ValueError(f"a set of {', '.join(scheme.classes)}")
        return names

    return parse


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError("one of " + ", ".join(repr(choice) for choice in choices))
        return text

    return parse


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise ValueError("a number") from None
    if not 0 <= weight < math.inf:
        raise ValueError("a number from 0 up")
    return weight


def _spacing(text: str) -> Spacing:
    try:
        slices, rows, columns = (float(part) for part in text.split("|"))
    except ValueError:
        slices = rows = columns = math.nan
    if not all(0 < part < math.inf for part in (slices, rows, columns)):
        raise ValueError("three distances in mm such as 3.6|0.5|0.5")
    return slices, rows, columns


def _box(text: str) -> Box:
    try:
        spans = [tuple(int(end) for end in span.split(":")) for span in text.split("|")]
        (top, bottom), (above, below), (left, right) = spans
        if not all(0 <= start < stop for start, stop in ((top, bottom), (above, below), (left, right))):
            raise ValueError
    except ValueError:
        raise ValueError("a box such as 10:15|120:180|90:140 (slices, rows, columns)") from None
    return (top, bottom), (above, below), (left, right)


PARSERS: dict[str, Callable[[str], Any]] = {
    **{name: _classes(scheme) for name, scheme in SCHEMES.items()},
    "path": Path,
    "mask": Path,
    "weight": _weight,
    "laterality": cast(Callable[[str], Laterality], _one_of(get_args(Laterality))),
    "split": cast(Callable[[str], Split], _one_of(get_args(Split))),
    "spacing_mm": _spacing,
    "box": _box,
}
