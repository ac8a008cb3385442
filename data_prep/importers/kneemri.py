"""KneeMRI (Stajduhar et al., Comput. Methods Programs Biomed. 140, 2017): 917 sagittal volumes, graded, with boxes.

metadata.csv        examId, seriesNo, aclDiagnosis, kneeLR, roiX/Y/Z, roiWidth/Height/Depth, volumeFilename
vol01 .. vol10/     a pickled array [slices, rows, columns] each: proton density, fat suppressed, 12 bit
"""

import argparse
from collections import defaultdict
from pathlib import Path

from data_prep.boxes import Box
from data_prep.importers.found import SPACING_ASSUMED, ImportedExam, ImportResult, add_spacing, data_set, spacing_note
from data_prep.importers.label_table import LabelTable
from data_prep.tables import Faults, Line, by_key, read_table
from data_prep.tables.exams import Exam, Spacing
from data_prep.volume import Laterality

FORM = "KneeMRI's folder has metadata.csv and the folders vol01 to vol10"
# The box's start and size along slices, rows and columns.
BOX = (("roiZ", "roiDepth"), ("roiY", "roiHeight"), ("roiX", "roiWidth"))
COLUMNS = ("examId", "seriesNo", "aclDiagnosis", "kneeLR", *(name for axis in BOX for name in axis), "volumeFilename")
# The arrays have no spacing. A knee's usual field of view is 160 mm, here over 320 pixels; its slices lie about 3.6 mm
# apart.
ASSUMED_SPACING: Spacing = (3.6, 0.5, 0.5)
SCANNER = "siemens avanto 1.5t"
NO_PATIENTS = (
    "KneeMRI publishes no patient ids: here the series of one examId share an id, and a patient's other exams get "
    "other ids."
)
SIDES: dict[str, Laterality] = {"l": "L", "left": "L", "r": "R", "right": "R"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--spacing`."""
    add_spacing(parser, ASSUMED_SPACING)


def find(options: argparse.Namespace, labels: LabelTable) -> ImportResult:
    """One exam for each row of `metadata.csv`; all series of one `examId` belong to one patient."""
    root = data_set(options, ("metadata.csv",), FORM)
    faults = Faults()
    known = by_key(read_table(root / "metadata.csv", COLUMNS, faults=faults).lines, "examId", "seriesNo", faults=faults)
    lines = by_key(known.values(), "volumeFilename", faults=faults).values()
    volumes = defaultdict(list)
    for file in sorted(root.glob("vol[01][0-9]/*.pck")):
        volumes[file.name].append(file)
    rows = []
    for line in lines:
        with faults.caught():
            rows.append(_row(line, volumes[line["volumeFilename"]], options.spacing, labels))
    notes = [NO_PATIENTS, spacing_note(options.spacing)]
    if unsaid := sum(row.exam.laterality == "unknown" for row in rows):
        notes.append(
            f"kneeLR is a number or empty in {unsaid} rows, and the data set doesn't say which number is which side: "
            "the side stays unknown there."
        )
    return ImportResult(tuple(rows), tuple(notes), faults)


def _row(line: Line, files: list[Path], spacing: Spacing, labels: LabelTable) -> ImportedExam:
    if len(files) != 1:
        found = "isn't in" if not files else f"is {len(files)} times in"
        raise line.fault(f"{line['volumeFilename']} {found} vol01 to vol10")
    try:
        binary, four_class = labels.classes("kneemri", line["aclDiagnosis"])
    except ValueError as error:
        raise line.fault(str(error), "aclDiagnosis") from None
    exam_number, series_number = line.whole_number("examId"), line.whole_number("seriesNo")
    exam = Exam(
        exam_id=f"kneemri-{exam_number}-{series_number}",
        patient_id=f"kneemri-{exam_number}",
        path=files[0],
        source="kneemri",
        binary=binary,
        four_class=four_class,
        readers=f"aclDiagnosis={line['aclDiagnosis']}",
        laterality=_side(line),
        scanner=SCANNER,
        spacing_mm=spacing,
        box=_box(line),
        notes=SPACING_ASSUMED,
    )
    return ImportedExam(exam, line)


def _side(line: Line) -> Laterality:
    text = line["kneeLR"].lower()
    if text in SIDES:
        return SIDES[text]
    if text and not text.removesuffix(".0").isdigit():
        raise line.fault("neither a side nor a number", "kneeLR")
    return "unknown"


def _box(line: Line) -> Box:
    """The ligament's box. Starts are counted from 0, as in NumPy, which wrote the volumes."""
    slices, rows, columns = (
        (start := line.whole_number(begin), start + line.whole_number(size)) for begin, size in BOX
    )
    for (start, stop), (_, size) in zip((slices, rows, columns), BOX, strict=True):
        if start == stop:
            raise line.fault("a box must have a size", size)
    return slices, rows, columns
