"""RSNA 2026 knee challenge: DICOM studies with reports, labels for some of them, and a table that describes all series.

train_series/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm
train.csv           StudyInstanceUID, Report, ACL (1.0, 0.0 or empty) and eleven other findings
train_series.csv    StudyInstanceUID, SeriesInstanceUID, Fluid_Sensitive, Fat_Suppression, Anatomical_Plane
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from data_prep.importers.found import ImportedExam, ImportResult, data_set, named
from data_prep.importers.label_table import LabelTable
from data_prep.tables import Faults, Line, by_key, decimal, read_table
from data_prep.tables.exams import Exam

FORM = "the RSNA 2026 knee data have train.csv, train_series.csv and the folder train_series"
STUDY, SERIES = "StudyInstanceUID", "SeriesInstanceUID"
SERIES_COLUMNS = (STUDY, SERIES, "Fluid_Sensitive", "Fat_Suppression", "Anatomical_Plane")
# The order of series: first true, then an empty cell, then false. Spreadsheets write true and false in their user's
# language.
TRUE = ("1", "1.0", "1,0", "true", "yes", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar")
FALSE = ("0", "0.0", "0,0", "false", "no", "falsch", "faux", "falso", "onwaar")
ORDER = dict.fromkeys(TRUE, 0) | {"": 1} | dict.fromkeys(FALSE, 2)
REPORT_DIGITS = 32
OWN_PATIENTS = (
    "Every study has a different PatientID: a patient's second study can't be found by it, only by its pixels."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--soft` and `--soft-column`."""
    parser.add_argument("--soft", type=Path, metavar="FILE", help=f"CSV with {STUDY} and an injury's probability")
    parser.add_argument(
        "--soft-column", default="ACL", metavar="COLUMN", help="the probability's column (default: ACL)"
    )


def find(options: argparse.Namespace, labels: LabelTable) -> ImportResult:
    """One exam for each row of `train.csv`, with the series that shows the ligament best."""
    root = data_set(options, ("train.csv", "train_series.csv", "train_series"), FORM)
    faults = Faults()
    studies = _lines(root / "train.csv", (STUDY, "Report", "ACL"), (STUDY,), faults)
    soft = _soft(options.soft, options.soft_column, studies, faults) if options.soft else {}
    series: dict[str, list[Line]] = defaultdict(list)
    for line in _lines(root / "train_series.csv", SERIES_COLUMNS, (STUDY, SERIES), faults).values():
        series[line[STUDY]].append(line)
    rows = []
    for (uid,), line in studies.items():
        with faults.caught():
            rows.append(_row(root, line, _sagittal(series[uid]), soft.get(uid), labels))
    return ImportResult(tuple(rows), tuple(_notes([row.exam for row in rows])), faults)


def _lines(table: Path, columns: Sequence[str], key: Sequence[str], faults: Faults) -> dict[tuple[str, ...], Line]:
    return by_key(read_table(table, columns, faults=faults).lines, *key, faults=faults)


def _notes(exams: list[Exam]) -> Iterable[str]:
    yield OWN_PATIENTS
    if unlabelled := sum(not exam.binary and not exam.four_class for exam in exams):
        yield f"{unlabelled} of {len(exams)} studies have no label for the ACL; they are in the table without one."
    if softened := sum(exam.readers.startswith("soft=") for exam in exams):
        yield f"{softened} of {len(exams)} studies have a label from the soft table only; their weight is |2p - 1|."
    if without := [exam.study_uid for exam in exams if not exam.series_uid]:
        yield f"{len(without)} of {len(exams)} studies have no sagittal series by train_series.csv: {named(without)}."


def _sagittal(series: list[Line]) -> Line | None:
    """The sagittal series to predict on: fluid-sensitive first, then fat-suppressed, then the lowest UID."""
    sagittal = [line for line in series if line["Anatomical_Plane"].lower() == "sagittal"]
    ranks = ((_rank(line, "Fluid_Sensitive"), _rank(line, "Fat_Suppression"), line[SERIES]) for line in sagittal)
    return min(zip(ranks, sagittal, strict=True), default=(None, None))[1]


def _rank(line: Line, column: str) -> int:
    if line[column].lower() not in ORDER:
        raise line.fault("neither 1 nor 0, true nor false, yes nor no", column)
    return ORDER[line[column].lower()]


def _soft(table: Path, column: str, studies: dict[tuple[str, ...], Line], faults: Faults) -> dict[str, float]:
    """Probability of an injury by study; empty cells are skipped."""
    known = {}
    for key, line in _lines(table, (STUDY, column), (STUDY,), faults).items():
        with faults.caught():
            if key not in studies:
                raise line.fault(f"train.csv has no such {STUDY}")
            if line[column]:
                known[key[0]] = _probability(line, column)
    return known


def _probability(line: Line, column: str) -> float:
    try:
        value = decimal(line[column])
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise line.fault("not a number from 0 to 1", column)
    return value


def _row(root: Path, line: Line, series: Line | None, soft: float | None, labels: LabelTable) -> ImportedExam:
    uid, hard = line[STUDY], line["ACL"]
    path = root / "train_series" / uid / (series[SERIES] if series else "")
    if not path.is_dir():
        raise (series or line).fault(f"{path.relative_to(root).as_posix()} is missing")
    readings = [f"train.csv={hard}"] if hard else []
    readings += [f"soft={soft:g}"] if soft is not None else []
    label, weight = _label(hard, soft)
    try:
        binary, four_class = labels.classes("rsna2026", label) if label else (frozenset[str](), frozenset[str]())
    except ValueError as error:
        raise line.fault(str(error), "ACL") from None
    exam = Exam(
        exam_id=uid,
        patient_id=uid,
        path=path,
        source="rsna2026",
        study_uid=uid,
        series_uid=series[SERIES] if series else "",
        binary=binary,
        four_class=four_class,
        readers="|".join(readings),
        weight=weight,
        report=_digest(line["Report"]),
    )
    return ImportedExam(exam, line)


def _label(hard: str, soft: float | None) -> tuple[str, float]:
    """The label that is used, '' for none, and its weight.

    A soft value p counts as the label "injured" with weight p and as "healthy" with weight 1 - p. With -log p(set) as
    the loss and a model that predicts 0.5, its gradient is |2p - 1| times that of the likelier label alone. This factor
    is the weight.
    """
    if hard or soft is None:
        return hard, 1.0
    return ("1" if soft >= 0.5 else "0"), round(abs(2 * soft - 1), 6)


def _digest(report: str) -> str:
    """A digest, equal for reports that differ only in case and white space. The text itself isn't kept."""
    text = " ".join(report.lower().split())
    return hashlib.sha256(text.encode()).hexdigest()[:REPORT_DIGITS] if text else ""
