"""A folder of DICOM studies, however it is laid out, and a spreadsheet (CSV, .xlsx or .ods) of diagnoses.

A row names its study by StudyInstanceUID, accession number, or the name or path of a folder that holds only this study.
Several rows for one study are several readers, each with a name.
"""

import argparse
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.boxes import Box
from data_prep.errors import InputError
from data_prep.exams.load import load_exam
from data_prep.exams.table import Exam
from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.sources import box_columns
from data_prep.sources.box_columns import BoxRequest
from data_prep.sources.found import Found, Row, named
from data_prep.sources.label_table import Classes, LabelTable
from data_prep.sources.patient_ids import KEY_FILE, PatientIds
from data_prep.sources.studies import Study, studies_below
from data_prep.sources.study_names import Match, StudyNames, looks_like_a_date
from data_prep.tables import Fault, Faults, Line, Table, read_table
from data_prep.tables.cells import words_key
from data_prep.tables.faults import RowError
from data_prep.workers import Workers

STUDY_COLUMNS = ("StudyInstanceUID", "study_uid", "AccessionNumber", "accession", "folder", "study")
LABEL_COLUMNS = ("label", "diagnosis")
READER_COLUMNS = ("reader",)
PATIENT_COLUMNS = ("patient", "patient_id")
BOX_COLUMNS = tuple(name for names in box_columns.ALL for name in names)
ONLY_READER = "1"  # what a reading without a name is called


@dataclass(frozen=True)
class _Reading:
    line: Line
    label: str
    reader: str
    patient: str
    binary: Classes
    four_class: Classes
    box: BoxRequest | None

    @property
    def severity(self) -> tuple[int, int, int]:
        """Injured before healthy, then by the worst class that it allows, then by the mildest.

        "Unhealthy", which may be a complete rupture, is worse than "partial rupture" and not as bad as "complete".
        """
        worst, mildest = _span(FOUR_CLASS, self.four_class)
        return _span(BINARY, self.binary)[0], worst, mildest


@dataclass(frozen=True)
class _Columns:
    """Which column holds what; '' for none."""

    study: str
    label: str
    reader: str
    patient: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--diagnoses`, the names of its columns, its encoding, and the file of the patient key."""
    parser.add_argument(
        "--diagnoses",
        type=Path,
        required=True,
        metavar="TABLE",
        help="CSV, .xlsx or .ods: a row for each study and reader",
    )
    for option, known in (
        ("--study-column", STUDY_COLUMNS),
        ("--label-column", LABEL_COLUMNS),
        ("--reader-column", READER_COLUMNS),
        ("--patient-column", PATIENT_COLUMNS),
    ):
        parser.add_argument(option, metavar="COLUMN", help=f"default: the first there is of {', '.join(known)}")
    parser.add_argument(
        "--encoding", default="", help="of a CSV that isn't Unicode, such as cp932 (default: Windows-1252)"
    )
    parser.add_argument(
        "--patient-key",
        type=Path,
        metavar="FILE",
        help=f"the secret of another table (default: {KEY_FILE} beside --out)",
    )


def find(options: argparse.Namespace, labels: LabelTable) -> Found:
    """One exam for each study that the table names; of several readers the worst stands, and all are kept."""
    root = options.root.resolve()
    faults = Faults()
    table = read_table(options.diagnoses, known=_known_columns(options), faults=faults, encoding=options.encoding)
    columns = _columns(options, table)
    studies, unreadable = studies_below(root)
    if not studies:
        raise ValueError(f"--root {options.root} holds no DICOM study")
    ids = PatientIds.of_file(options.patient_key or options.out.parent / KEY_FILE, make=options.patient_key is None)
    readings: dict[str, list[_Reading]] = defaultdict(list)
    meant = _studies(table, columns.study, StudyNames(studies, root), faults)
    for line, match in meant:
        with faults.caught():
            readings[next(iter(match.studies))].append(_reading(line, columns, table, labels))
    distinct = {uid: _distinct(of_one, faults) for uid, of_one in readings.items()}
    rows = [_row(studies[uid], of_one, ids) for uid, of_one in distinct.items() if of_one]
    notes = [*_changed(meant), *_repeated(readings, distinct), *_ambiguous_grades(readings)]
    if unread := len(studies) - len(readings):
        notes.append(f"{unread} of {len(studies)} studies have no row in {table.name}: left out.")
    if unreadable:
        notes.append(f"Files that begin as DICOM does and can't be read: {unreadable}, left out.")
    if table.guessed and any(not cell.isascii() for line in table.lines for cell in line.cells.values()):
        notes.append(f"{table.name} isn't Unicode and was read as {table.guessed}; --encoding names another one.")
    boxed = {uid: next((one.box for one in of_one if one.box), None) for uid, of_one in distinct.items() if of_one}
    return Found(tuple(_with_boxes(rows, boxed, faults, Workers.from_options(options))), tuple(notes), faults)


def _known_columns(options: argparse.Namespace) -> Sequence[str]:
    asked = (options.study_column, options.label_column, options.reader_column, options.patient_column)
    ours = (*STUDY_COLUMNS, *LABEL_COLUMNS, *READER_COLUMNS, *PATIENT_COLUMNS, *BOX_COLUMNS)
    return (*filter(None, asked), *ours)


def _columns(options: argparse.Namespace, table: Table) -> _Columns:
    """ValueError if a column that has to be there isn't, or if two may hold the label."""
    found = {}
    for what, asked, known in (
        ("study", options.study_column, STUDY_COLUMNS),
        ("label", options.label_column, LABEL_COLUMNS),
        ("reader", options.reader_column, READER_COLUMNS),
        ("patient", options.patient_column, PATIENT_COLUMNS),
    ):
        wanted = (asked,) if asked else known
        there = list(filter(table.has, wanted))
        if not there and (asked or what in ("study", "label")):
            raise table.no_column(f"{' or '.join(wanted)} (--{what}-column)")
        if what == "label" and len(there) > 1:
            raise ValueError(
                f"{table.name}: {' and '.join(there)} may both hold the label; --label-column says which does"
            )
        found[what] = next(iter(there), "")
    return _Columns(**found)


def _studies(table: Table, column: str, names: StudyNames, faults: Faults) -> list[tuple[Line, Match]]:
    """Each line with the one study that it means."""
    meant = []
    often = Counter(line[column] for line in table.lines)
    for line in table.lines:
        with faults.caught():
            meant.append((line, _one_study(line, column, names, often[line[column]])))
    return meant


def _one_study(line: Line, column: str, names: StudyNames, often: int) -> Match:
    """RowError says why it isn't one. often: how many rows have the same cell."""
    cell = line[column]
    match = names.find(cell)
    if match.is_rounded and (len(match.studies) != 1 or often > 1):
        raise line.fault(
            f"a spreadsheet has rounded this number, so that {len(match.studies) or 'no'} studies go by it; format the "
            "column as text and enter it again",
            column,
        )
    if len(match.studies) != 1:
        count = len(match.studies)
        found = f"{count} studies go by that name" if count else "no study below --root goes by that name"
        hint = "; a spreadsheet may have made a date of it" if looks_like_a_date(cell) and not count else ""
        raise line.fault(found + hint if cell else "it is empty", column)
    return match


def _reading(line: Line, columns: _Columns, table: Table, labels: LabelTable) -> _Reading:
    label = line[columns.label]
    try:
        binary, four_class = labels.classes("dicom", label)
    except ValueError as error:
        raise line.fault(str(error), columns.label) from None
    reader = line[columns.reader] if columns.reader else ""
    patient = line[columns.patient] if columns.patient else ""
    return _Reading(line, label, reader, patient, binary, four_class, box_columns.requested(line, table))


def _distinct(readings: Sequence[_Reading], faults: Faults) -> list[_Reading]:
    """One reading for each reader; none if rows of the study contradict each other, and then each is a fault.

    A row that repeats another isn't a second reader.
    """
    first: dict[str, _Reading] = {}
    for reading in readings:
        known = first.setdefault(words_key(reading.reader), reading)
        if (known.binary, known.four_class) != (reading.binary, reading.four_class):
            return _contradict((known, reading), _other_label(reading), faults)
    for what, values in (
        ("patient", [(one.patient, one) for one in readings if one.patient]),
        ("box", [(one.box.place, one) for one in readings if one.box]),
    ):
        for value, reading in values:
            if value != values[0][0]:
                return _contradict(
                    (values[0][1], reading), f"another row has another {what} for the same study", faults
                )
    return list(first.values())


def _other_label(reading: _Reading) -> str:
    if reading.reader:
        return "this reader has another row for the same study, with another label"
    return "another row has another label for the same study, and neither names its reader (column reader)"


def _contradict(pair: Iterable[_Reading], reason: str, faults: Faults) -> list[_Reading]:
    faults.found += [reading.line.fault(reason).fault for reading in pair]
    return []


def _row(study: Study, readings: Sequence[_Reading], ids: PatientIds) -> Row:
    worst = max(readings, key=lambda reading: reading.severity)
    exam = Exam(
        exam_id=study.uid,
        patient_id=_patient(next((one.patient for one in readings if one.patient), ""), study, ids),
        path=study.path,
        source="dicom",
        study_uid=study.uid,
        binary=worst.binary,
        four_class=worst.four_class,
        readers="|".join(f"{reading.reader or ONLY_READER}:{reading.label}" for reading in readings),
    )
    return Row(exam, readings[0].line)


def _patient(known: str, study: Study, ids: PatientIds) -> str:
    """The id of the spreadsheet's patient or of the header's, which are the same if these are; else the study."""
    number = re.sub(r"^(\d+)[.,]0+$", r"\1", known)
    digest = (
        hashlib.sha256(number.encode(errors="surrogateescape")).hexdigest()
        if known
        else min(study.patients, default="")
    )
    return ids.of(digest) if digest else study.uid


def _with_boxes(
    rows: Sequence[Row], boxes: dict[str, BoxRequest | None], faults: Faults, workers: Workers
) -> Iterable[Row]:
    """The rows with their boxes in the grid of the series that is judged, which is named then."""
    asked = [(row.exam, request) for row in rows if (request := boxes[row.exam.exam_id])]
    found = dict(
        zip((exam.exam_id for exam, _ in asked), workers.run(_box, asked, "boxes") if asked else (), strict=True)
    )
    for row in rows:
        placed = found.get(row.exam.exam_id)
        if isinstance(placed, Fault):
            faults.found.append(placed)
        elif placed:
            series, box = placed
            yield replace(row, exam=replace(row.exam, series_uid=series, box=box))
        else:
            yield row


def _box(asked: tuple[Exam, BoxRequest]) -> tuple[str, Box] | Fault | None:
    """The series that is judged and the box in it; None if the pixels can't be used, which the quality screen says."""
    exam, request = asked
    try:
        volume = load_exam(exam)
        return volume.series_uid, box_columns.placed(request, volume)
    except RowError as error:
        return error.fault
    except InputError:
        return None


def _changed(meant: Sequence[tuple[Line, Match]]) -> Iterable[str]:
    if changed := [line.number for line, match in meant if match.is_changed]:
        yield (
            f"A spreadsheet has changed the study's number in {_rows(changed)} (lost zeros, 12345.0, 1.2E+11): the one "
            "study that fits was taken."
        )


def _repeated(readings: dict[str, list[_Reading]], distinct: dict[str, list[_Reading]]) -> Iterable[str]:
    again = [
        one.line.number
        for uid, of_one in readings.items()
        if distinct[uid]
        for one in of_one
        if one not in distinct[uid]
    ]
    if again:
        yield f"Repeats of another row's study, reader and label, counted once: {_rows(again)}."


def _ambiguous_grades(readings: dict[str, list[_Reading]]) -> Iterable[str]:
    values = {words_key(one.label).removesuffix(".0") for of_one in readings.values() for one in of_one}
    if values == {"0", "1"}:
        yield (
            "The labels are 0 and 1 only. Here 0 to 3 are grades, so 1 was read as minor strain; where it means any "
            "injury, write unhealthy, or change [dicom.values.1] with --labels."
        )


def _rows(numbers: Sequence[int]) -> str:
    return f"row{'s' if len(numbers) > 1 else ''} {named([str(number) for number in sorted(numbers)], 10)}"


def _span(scheme: LabelScheme, classes: Classes) -> tuple[int, int]:
    """Worst and mildest class of a set; -1 for a set that says nothing."""
    ranks = [scheme.index(name) for name in classes]
    return max(ranks, default=-1), min(ranks, default=-1)
