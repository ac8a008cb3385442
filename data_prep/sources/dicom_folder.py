"""A folder of DICOM studies, however it is laid out, and a spreadsheet (CSV) of diagnoses.

A row names its study by StudyInstanceUID, accession number or the name of a folder that holds only this study. Several
rows for one study are several readers.
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.exams.table import Exam
from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.sources.found import Found, Row
from data_prep.sources.label_table import Classes, LabelTable
from data_prep.sources.studies import Study, studies_below
from data_prep.sources.tables import Line, read_table

STUDY_COLUMNS = ("StudyInstanceUID", "study_uid", "AccessionNumber", "accession", "folder", "study")
LABEL_COLUMNS = ("label", "diagnosis")
READER_COLUMNS = ("reader",)
PATIENT_COLUMNS = ("patient", "patient_id")
PATIENT_DIGITS = 12


@dataclass(frozen=True)
class _Reading:
    line: Line
    label: str
    reader: str
    patient: str
    binary: Classes
    four_class: Classes

    @property
    def severity(self) -> tuple[int, int, int]:
        """Injured before healthy, then by the worst class that it allows, then by the mildest.

        "Unhealthy", which may be a complete rupture, is worse than "partial rupture" and not as bad as "complete".
        """
        worst, mildest = _span(FOUR_CLASS, self.four_class)
        return _span(BINARY, self.binary)[0], worst, mildest


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--diagnoses` and the names of its columns."""
    parser.add_argument("--diagnoses", type=Path, required=True, metavar="CSV", help="a row for each study and reader")
    for option, known in (
        ("--study-column", STUDY_COLUMNS),
        ("--label-column", LABEL_COLUMNS),
        ("--reader-column", READER_COLUMNS),
        ("--patient-column", PATIENT_COLUMNS),
    ):
        parser.add_argument(option, metavar="COLUMN", help=f"default: the first there is of {', '.join(known)}")


def find(options: argparse.Namespace, labels: LabelTable) -> Found:
    """One exam for each study that the table names; of several readings the worst stands, and all are kept."""
    root = options.root.resolve()
    lines = read_table(options.diagnoses)
    columns = _columns(options, lines[0])
    studies, unreadable = studies_below(root)
    if not studies:
        raise ValueError(f"--root {options.root} holds no DICOM study")
    readings: dict[str, list[_Reading]] = defaultdict(list)
    names = _names(studies, root)
    for line in lines:
        uid = _study(line, columns["study"], names)
        readings[uid].append(_reading(line, columns, len(readings[uid]) + 1, labels))
    rows = [_row(studies[uid], of_one) for uid, of_one in readings.items()]
    notes = []
    if unread := len(studies) - len(rows):
        notes.append(f"{unread} of {len(studies)} studies have no row in {options.diagnoses.name}: left out.")
    if unreadable:
        notes.append(f"Files that begin as DICOM does and can't be read: {unreadable}, left out.")
    return Found(tuple(rows), tuple(notes))


def _columns(options: argparse.Namespace, line: Line) -> dict[str, str]:
    """Which column holds what; '' for none. ValueError if one that has to be there isn't."""
    columns = {}
    for what, asked, known in (
        ("study", options.study_column, STUDY_COLUMNS),
        ("label", options.label_column, LABEL_COLUMNS),
        ("reader", options.reader_column, READER_COLUMNS),
        ("patient", options.patient_column, PATIENT_COLUMNS),
    ):
        wanted = (asked,) if asked else known
        columns[what] = next((column for column in wanted if column in line.cells), "")
        if not columns[what] and (asked or what in ("study", "label")):
            raise ValueError(f"{options.diagnoses.name}: no column {' or '.join(wanted)} (--{what}-column)")
    return columns


def _names(studies: dict[str, Study], root: Path) -> dict[str, set[str]]:
    """Studies by everything that a row may call them."""
    names: dict[str, set[str]] = defaultdict(set)
    for uid, study in studies.items():
        folders = {part for folder in study.folders for part in folder.relative_to(root).parts}
        for name in {uid} | study.accessions | folders:
            names[name].add(uid)
    return names


def _study(line: Line, column: str, names: dict[str, set[str]]) -> str:
    meant = names.get(line[column], set())
    if len(meant) != 1:
        found = f"{len(meant)} studies go by that name" if meant else "no study below --root goes by that name"
        raise ValueError(f"{line.place}, column {column}: {found}")
    return next(iter(meant))


def _reading(line: Line, columns: dict[str, str], number: int, labels: LabelTable) -> _Reading:
    label = line[columns["label"]]
    try:
        binary, four_class = labels.classes("dicom", label)
    except ValueError as error:
        raise ValueError(f"{line.place}, column {columns['label']}: {error}") from None
    reader = (line[columns["reader"]] if columns["reader"] else "") or str(number)
    patient = line[columns["patient"]] if columns["patient"] else ""
    return _Reading(line, label, reader, patient, binary, four_class)


def _row(study: Study, readings: Sequence[_Reading]) -> Row:
    patients: set[str] = set()
    readers: set[str] = set()
    for reading in readings:
        if reading.reader in readers:
            raise ValueError(f"{reading.line.place}: this reader has another row for the same study")
        readers.add(reading.reader)
        patients |= {reading.patient} - {""}
        if len(patients) > 1:
            raise ValueError(f"{reading.line.place}: another row has another patient for the same study")
    worst = max(readings, key=lambda reading: reading.severity)
    exam = Exam(
        exam_id=study.uid,
        patient_id=_patient(next(iter(patients), ""), study),
        path=study.path,
        source="dicom",
        study_uid=study.uid,
        binary=worst.binary,
        four_class=worst.four_class,
        readers="|".join(f"{reading.reader}:{reading.label}" for reading in readings),
    )
    return Row(exam, readings[0].line.place)


def _patient(known: str, study: Study) -> str:
    """A hash of the spreadsheet's patient or of the header's, which are the same if these are; else the study."""
    digest = hashlib.sha256(known.encode()).hexdigest() if known else min(study.patients, default="")
    return f"patient-{digest[:PATIENT_DIGITS]}" if digest else study.uid


def _span(scheme: LabelScheme, classes: Classes) -> tuple[int, int]:
    """Worst and mildest class of a set; -1 for a set that says nothing."""
    ranks = [scheme.index(name) for name in classes]
    return max(ranks, default=-1), min(ranks, default=-1)
