"""A folder of DICOM studies, in any layout, and a spreadsheet (CSV, .xlsx or .ods) of diagnoses.

A row names its study by StudyInstanceUID, accession number, or the name or path of a folder that holds only this study.
Several rows for one study are several readers, each with a name.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.boxes import Box
from data_prep.errors import InputError
from data_prep.importers import box_columns
from data_prep.importers.box_columns import BoxRequest
from data_prep.importers.found import ImportedExam, ImportResult, named
from data_prep.importers.label_table import LabelTable, label_key
from data_prep.importers.patient_ids import KEY_FILE, PatientIds, patient_of
from data_prep.importers.readings import Knee, Reading, knees_of
from data_prep.importers.studies import Study, studies_below
from data_prep.importers.study_names import Match, StudyNames, looks_like_a_date
from data_prep.prepare.load import load_exam
from data_prep.selection.side import declared_sides
from data_prep.tables import Fault, Faults, Line, Table, read_table
from data_prep.tables.exams import Exam
from data_prep.tables.faults import RowError
from data_prep.volume import Laterality
from data_prep.workers import Workers

STUDY_COLUMNS = ("StudyInstanceUID", "study_uid", "AccessionNumber", "accession", "folder", "study")
LABEL_COLUMNS = ("label", "diagnosis")
READER_COLUMNS = ("reader",)
PATIENT_COLUMNS = ("patient", "patient_id")
SIDE_COLUMNS = ("laterality", "side")
BOX_COLUMNS = tuple(name for names in box_columns.ALL for name in names)


@dataclass(frozen=True)
class _Columns:
    """Names of the columns; '' where there is none. also_study: further columns that may name the study."""

    study: str
    label: str
    reader: str
    patient: str
    side: str
    also_study: tuple[str, ...] = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--diagnoses`, the names of its columns, its encoding, and the file of the patient key."""
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
        ("--side-column", SIDE_COLUMNS),
    ):
        parser.add_argument(option, metavar="COLUMN", help=f"default: the first in the table of {', '.join(known)}")
    parser.add_argument(
        "--encoding", default="", help="encoding of a CSV that isn't Unicode, such as cp932 (default: Windows-1252)"
    )
    parser.add_argument(
        "--patient-key",
        type=Path,
        metavar="FILE",
        help=f"the secret of another table (default: {KEY_FILE} beside --out)",
    )


def find(options: argparse.Namespace, labels: LabelTable) -> ImportResult:
    """One exam for each knee that the table names.

    Of several readers' labels the most severe one is used; all of them are kept in the table.
    """
    root = options.root.resolve()
    faults = Faults()
    table = read_table(options.diagnoses, known=_known_columns(options), faults=faults, encoding=options.encoding)
    columns = _columns(options, table)
    studies, unreadable = studies_below(root)
    if not studies:
        raise ValueError(f"--root {options.root} holds no DICOM study")
    ids = PatientIds.of_file(options.patient_key or options.out.parent / KEY_FILE, make=options.patient_key is None)
    meant = _studies(table, columns, StudyNames(studies, root), faults)
    rows: dict[str, list[Reading]] = defaultdict(list)
    for line, match in meant:
        with faults.caught():
            rows[next(iter(match.studies))].append(_reading(line, columns, table, labels))
    knees = [knee for uid, of_one in rows.items() for knee in knees_of(uid, of_one, faults)]
    patients = _patients(studies, knees, ids)
    often = Counter(knee.study_uid for knee in knees)
    exams = [(knee, _exam(knee, studies[knee.study_uid], patients, often[knee.study_uid] > 1)) for knee in knees]
    notes = [*_changed(meant), *_repeated(knees), *_ambiguous_grades(knees)]
    if unread := len(studies) - len(rows):
        notes.append(f"{unread} of {len(studies)} studies have no row in {table.name}: left out.")
    if unreadable:
        notes.append(f"Files that begin like DICOM but can't be read: {unreadable}, left out.")
    if table.guessed and any(not cell.isascii() for line in table.lines for cell in line.cells.values()):
        notes.append(f"{table.name} isn't Unicode and was read as {table.guessed}; change this with --encoding.")
    return ImportResult(tuple(_with_boxes(exams, faults, Workers.from_options(options))), tuple(notes), faults)


def _known_columns(options: argparse.Namespace) -> Sequence[str]:
    asked = (
        *(options.study_column, options.label_column, options.reader_column, options.patient_column),
        options.side_column,
    )
    ours = (*STUDY_COLUMNS, *LABEL_COLUMNS, *READER_COLUMNS, *PATIENT_COLUMNS, *SIDE_COLUMNS, *BOX_COLUMNS)
    return (*filter(None, asked), *ours)


def _columns(options: argparse.Namespace, table: Table) -> _Columns:
    """ValueError if a required column is missing, or if two columns may hold the label or the side."""
    found = {}
    also_study: list[str] = []
    for what, asked, known in (
        ("study", options.study_column, STUDY_COLUMNS),
        ("label", options.label_column, LABEL_COLUMNS),
        ("reader", options.reader_column, READER_COLUMNS),
        ("patient", options.patient_column, PATIENT_COLUMNS),
        ("side", options.side_column, SIDE_COLUMNS),
    ):
        wanted = (asked,) if asked else known
        there = list(filter(table.has, wanted))
        if not there and (asked or what in ("study", "label")):
            raise table.no_column(f"{' or '.join(wanted)} (--{what}-column)")
        if what in ("label", "side") and len(there) > 1:
            raise ValueError(
                f"{table.name}: {' and '.join(there)} may both hold the {what}; choose one with --{what}-column"
            )
        found[what] = next(iter(there), "")
        also_study += there[1:] if what == "study" else []
    return _Columns(**found, also_study=tuple(also_study))


def _studies(table: Table, columns: _Columns, names: StudyNames, faults: Faults) -> list[tuple[Line, Match]]:
    """Each line with the one study that it means."""
    meant = []
    often = Counter(line[columns.study] for line in table.lines)
    for line in table.lines:
        with faults.caught():
            match = _one_study(line, columns.study, names, often[line[columns.study]])
            _check_agrees(line, columns, names, match)
            meant.append((line, match))
    return meant


def _check_agrees(line: Line, columns: _Columns, names: StudyNames, match: Match) -> None:
    """RowError if another column names another study, for example because only some columns were sorted.

    A cell of another column that names no study is ignored: it may be an internal number or a description.
    """
    for column in columns.also_study:
        other = names.find(line[column])
        if other.studies and not other.is_rounded and not other.studies & match.studies:
            raise line.fault(
                f"it names another study than column {columns.study}; choose one with --study-column", column
            )


def _one_study(line: Line, column: str, names: StudyNames, often: int) -> Match:
    """The study that a cell names; RowError says why it isn't exactly one. often: how many rows have this cell."""
    cell = line[column]
    match = names.find(cell)
    if match.is_rounded and (len(match.studies) != 1 or often > 1):
        raise line.fault(
            f"a spreadsheet has rounded this number, so that {len(match.studies) or 'no'} studies match it; format "
            "the column as text and enter it again",
            column,
        )
    if len(match.studies) != 1:
        count = len(match.studies)
        found = f"{count} studies have this name" if count else "no study below --root has this name"
        hint = "; a spreadsheet may have changed it to a date" if looks_like_a_date(cell) and not count else ""
        raise line.fault(found + hint if cell else "it is empty", column)
    return match


def _reading(line: Line, columns: _Columns, table: Table, labels: LabelTable) -> Reading:
    label = line[columns.label]
    try:
        binary, four_class = labels.classes("dicom", label)
    except ValueError as error:
        raise line.fault(str(error), columns.label) from None
    return Reading(
        line=line,
        label=label,
        binary=binary,
        four_class=four_class,
        reader=line[columns.reader] if columns.reader else "",
        patient=line[columns.patient] if columns.patient else "",
        side=_side(line, columns.side),
        box=box_columns.requested(line, table),
    )


def _side(line: Line, column: str) -> Laterality:
    if not column or not line[column]:
        return "unknown"
    sides = declared_sides(line[column])
    if len(sides) != 1:
        raise line.fault("it names both sides; each knee needs its own row" if sides else "it names no side", column)
    return next(iter(sides))


def _patients(studies: Mapping[str, Study], knees: Sequence[Knee], ids: PatientIds) -> dict[str, str]:
    """The patient id of each study, made from the table's id or from the headers'; without both, the study's UID."""
    ids_by_name: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for study in studies.values():
        for one in study.patients:
            if one.id and one.names:
                ids_by_name[one.names].add(one.id)
    known: dict[str, str] = {}
    for knee in knees:
        patient = patient_of(knee.patient, studies[knee.study_uid].patients, ids_by_name)
        known[knee.study_uid] = ids.of(patient) if patient else knee.study_uid
    return known


def _exam(knee: Knee, study: Study, patients: Mapping[str, str], is_of_two: bool) -> Exam:
    """The exam of one knee. is_of_two: the study's other knee is an exam too."""
    return Exam(
        exam_id=f"{study.uid}-{knee.side}" if is_of_two else study.uid,
        patient_id=patients[study.uid],
        path=study.path,
        source="dicom",
        study_uid=study.uid,
        binary=knee.worst.binary,
        four_class=knee.worst.four_class,
        readers=knee.told,
        laterality=knee.side,
    )


def _with_boxes(exams: Sequence[tuple[Knee, Exam]], faults: Faults, workers: Workers) -> Iterable[ImportedExam]:
    """The exams' rows. A box lies in the grid of the series that Cruciate chooses; the row then names this series."""
    asked = [(exam, knee.box) for knee, exam in exams if knee.box]
    found = iter(list(workers.run(_box, asked, "boxes")) if asked else [])
    for knee, exam in exams:
        placed = next(found) if knee.box else None
        if isinstance(placed, Fault):
            faults.found.append(placed)
            continue
        if placed:
            exam = replace(exam, series_uid=placed[0], box=placed[1])
        yield ImportedExam(exam, knee.rows[0].line)


def _box(asked: tuple[Exam, BoxRequest]) -> tuple[str, Box] | Fault | None:
    """The chosen series and the box in it; None if the pixels can't be used, which the quality screen reports."""
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
            f"A spreadsheet has changed the study's number in {_rows(changed)} (lost zeros, 12345.0, 1.2E+11): the "
            "only study that fits was taken."
        )


def _repeated(knees: Sequence[Knee]) -> Iterable[str]:
    if again := [row.line.number for knee in knees for row in knee.rows if row not in knee.readings]:
        yield f"Rows that repeat the study, reader and label of another row are counted once: {_rows(again)}."


def _ambiguous_grades(knees: Sequence[Knee]) -> Iterable[str]:
    if {label_key(row.label) for knee in knees for row in knee.rows} == {"0", "1"}:
        yield (
            "The labels are 0 and 1 only. Cruciate reads 0 to 3 as grades, so 1 was read as minor strain. If 1 means "
            "any injury, write unhealthy, or change [dicom.values.1] with --labels."
        )


def _rows(numbers: Sequence[int]) -> str:
    return f"row{'s' if len(numbers) > 1 else ''} {named([str(number) for number in sorted(numbers)], 10)}"
