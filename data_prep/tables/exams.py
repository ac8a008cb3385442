"""The exam table: one row for each knee's study, as CSV that people can open and edit.

A set of classes is written `partial rupture or strain|complete rupture`; an empty cell says nothing in that scheme.
"""

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from data_prep import names
from data_prep.boxes import Box
from data_prep.files import replacing
from data_prep.labels import BINARY, FOUR_CLASS, SCHEMES, LabelScheme
from data_prep.limits import PIXEL_MM, SLICE_STEP_MM
from data_prep.ranges import FromZero
from data_prep.tables import Faults, Line, column_key, decimal, read_table
from data_prep.tables.cells import clean, words_key
from data_prep.volume import Laterality

Split = Literal["train", "val", "test", ""]
Spacing = tuple[float, float, float]
MAX_NAME = 255  # letters of a file's name
# 1.23457E+11 was a longer number, 01. Feb and 2-Jan were 1-2.
_CHANGED = re.compile(r"\d([.,]\d+)?E\+\d+|\d{1,2}[-. ]{1,2}[^\W\d_]{3,4}\.?", re.IGNORECASE)


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
        writer.writerows([cell(getattr(exam, column), table.parent) for column in COLUMNS] for exam in exams)


def read_exams(table: Path) -> list[Exam]:
    """Every row, checked; paths are made absolute. ValueError names the file, and every row and column at fault.

    The table may have been saved again by a spreadsheet: any dialect of CSV, .xlsx and .ods are read, see
    `data_prep.tables`; so are decimal commas, other capitals, and `;` between the parts of a cell.
    """
    faults = Faults()
    found = read_table(table, REQUIRED, known=COLUMNS, faults=faults, may_be_empty=True)
    keys = {column_key(column): column for column in COLUMNS}
    if unknown := [column for column in found.columns if column_key(column) not in keys]:
        raise ValueError(f"{table}: unknown column {', '.join(unknown)}; `notes` is there for your own words")
    columns = [keys[column_key(column)] for column in found.columns]
    home = table.parent.absolute()
    exams: dict[str, Exam] = {}
    for line in found.lines:
        with faults.caught():
            exam = _exam(line, columns, home)
            if exam.exam_id in exams:
                raise line.fault(f"{exam.exam_id!r} occurs twice", "exam_id")
            exams[exam.exam_id] = exam
    faults.check()
    return list(exams.values())


def cell(value: object, folder: Path) -> str:
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
            return names.cell(value.as_posix())
        case tuple():
            return "|".join(f"{part[0]}:{part[1]}" if isinstance(part, tuple) else f"{part:g}" for part in value)
    return str(value)


def _exam(line: Line, columns: Sequence[str], root: Path) -> Exam:
    values: dict[str, Any] = {}
    for column in columns:
        text = line[column]
        if column in REQUIRED and not text:
            raise line.fault("'' is not filled in", column)
        if column in ("path", "mask") and text:
            values[column] = existing(root, line.as_written(column))
        elif text:
            values[column] = text
    try:
        cells = Cells.model_validate({name: values[name] for name in Cells.model_fields if name in values})
    except ValidationError as error:
        fault = error.errors()[0]
        column = str(fault["loc"][0])
        must_be = MUST_BE.get(column) or str(fault["ctx"]["error"])
        raise line.fault(f"{values[column]!r} is not {must_be}", column) from None
    return Exam(**values | {name: getattr(cells, name) for name in cells.model_fields_set})


def existing(root: Path, text: str) -> Path:
    """The path as it is written; if nothing is there, as it was before a spreadsheet or another system changed it.

    Windows writes backslashes; letters can be composed or decomposed; a name's bytes can be no UTF-8.
    """
    slashes = (text, text.replace("\\", "/")) if "\\" in text else (text,)
    for path in slashes:
        for written in (
            names.original(path),
            path,
            clean(path),
            *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")),
            *_as_bytes(path),
        ):
            if os.path.lexists(root / written):
                return root / written
    same = [known for known in _beside(root, text) if known.name.isdecimal() and int(known.name) == int(text)]
    return same[0] if len(same) == 1 else root / text


def _beside(root: Path, text: str) -> list[Path]:
    """What lies in the table's folder, if the path is a number: a spreadsheet takes zeros from its start."""
    return list(root.iterdir()) if text.isascii() and text.isdecimal() and len(text) <= MAX_NAME else []


def _as_bytes(text: str) -> Iterable[str]:
    """The name whose bytes were taken for letters, when the table was read as Windows-1252 or Latin-1."""
    for encoding in ("cp1252", "latin-1"):
        try:
            yield os.fsdecode(text.encode(encoding))
        except UnicodeEncodeError:
            continue


def _parts(text: str) -> list[str]:
    """The parts between `|`, or between `;`."""
    return [part.strip() for part in re.split(r"[|;]", text)]


def _classes(scheme: LabelScheme) -> BeforeValidator:
    def parse(text: str) -> frozenset[str]:
        known = {words_key(name): name for name in scheme.classes}
        names = list(map(words_key, _parts(text)))
        if not set(names) <= set(known):
            raise ValueError(f"a set of {', '.join(scheme.classes)}")
        return frozenset(known[name] for name in names)

    return BeforeValidator(parse)


def _one_of(choices: tuple[str, ...]) -> BeforeValidator:
    def parse(text: str) -> str:
        known = {choice.casefold(): choice for choice in choices}
        if text.casefold() not in known:
            raise ValueError("one of " + ", ".join(repr(choice) for choice in choices))
        return known[text.casefold()]

    return BeforeValidator(parse)


def _identifier(text: str) -> str:
    """A name that distinguishes exams or patients; a number or a date that a spreadsheet made of it is refused."""
    if _CHANGED.fullmatch(text):
        raise ValueError("an id: a spreadsheet has made a rounded number or a date of it")
    return text


def _spacing(text: str) -> list[float]:
    try:
        return [decimal(part) for part in _parts(text)]
    except ValueError:
        return []


def _box(text: str) -> list[list[str]]:
    return [span.split(":") for span in _parts(text)]


def _spans(box: Box) -> Box:
    if not all(0 <= start < stop for start, stop in box):
        raise ValueError("an empty box")
    return box


Identifier = Annotated[str, BeforeValidator(_identifier)]
SliceStep = Annotated[float, Field(ge=SLICE_STEP_MM[0], le=SLICE_STEP_MM[1])]
PixelSize = Annotated[float, Field(ge=PIXEL_MM[0], le=PIXEL_MM[1])]


class Cells(BaseModel):
    """The cells of a row that are more than a text or a path, from their texts. A field left out isn't filled in."""

    exam_id: Identifier = ""
    patient_id: Identifier = ""
    study_uid: Identifier = ""
    series_uid: Identifier = ""
    binary: Annotated[frozenset[str], _classes(BINARY)] = frozenset()
    four_class: Annotated[frozenset[str], _classes(FOUR_CLASS)] = frozenset()
    weight: Annotated[FromZero, BeforeValidator(decimal)] = 1.0
    laterality: Annotated[Laterality, _one_of(get_args(Laterality))] = "unknown"
    split: Annotated[Split, _one_of(get_args(Split))] = ""
    spacing_mm: Annotated[tuple[SliceStep, PixelSize, PixelSize] | None, BeforeValidator(_spacing)] = None
    box: Annotated[Annotated[Box, AfterValidator(_spans)] | None, BeforeValidator(_box)] = None


# What a cell must be, where pydantic's own message would speak of its parts.
MUST_BE = {
    "weight": "a number from 0 up",
    "spacing_mm": "three distances in mm such as 3.6|0.5|0.5: between slices "
    f"{SLICE_STEP_MM[0]:g} to {SLICE_STEP_MM[1]:g}, of pixels {PIXEL_MM[0]:g} to {PIXEL_MM[1]:g}",
    "box": "a box such as 10:15|120:180|90:140 (slices, rows, columns)",
}
