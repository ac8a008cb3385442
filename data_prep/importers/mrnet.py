"""MRNet-v1.0 (Bien et al., PLOS Medicine 2018): 1,250 published exams as arrays, labels in tables without a header.

{train,valid}/{sagittal,coronal,axial}/0000.npy     uint8 [slices, 256, 256]
{train,valid}-{acl,abnormal,meniscus}.csv           id,label
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.importers.found import (
    SPACING_ASSUMED,
    ImportedExam,
    ImportResult,
    add_spacing,
    data_set,
    named,
    spacing_note,
)
from data_prep.importers.label_table import LabelTable
from data_prep.prepare.array_files import read_array
from data_prep.tables import Faults, Line, by_key, read_table
from data_prep.tables.exams import Exam, Spacing, Split

FORM = "MRNet's folder has train-acl.csv, valid-acl.csv and the folders train and valid"
PARTS: dict[str, Split] = {"train": "train", "valid": "val"}
PLANES = ("sagittal", "coronal", "axial")
OTHER_FINDINGS = ("abnormal", "meniscus")
SIDE = 256
# MRNet publishes no spacing. A knee's usual field of view is 160 mm, here over 256 pixels; its slices lie about 4 mm
# apart.
ASSUMED_SPACING: Spacing = (4.0, 160 / SIDE, 160 / SIDE)
# Mean and standard deviation of all training voxels after scaling minimum to maximum to 0..255, from the code that the
# data set's authors published with it.
PUBLISHED_MEAN, PUBLISHED_SD = 58.09, 49.73
NO_PATIENTS = (
    "MRNet publishes no patient ids, so every exam is its own patient here; its authors count 1,088 patients in the "
    "1,130 training exams (Bien et al., PLOS Medicine 2018), so a few patients have two."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--plane` and `--spacing`."""
    parser.add_argument("--plane", choices=PLANES, default="sagittal")
    add_spacing(parser, ASSUMED_SPACING)


def find(options: argparse.Namespace, labels: LabelTable) -> ImportResult:
    """One exam for each row of `train-acl.csv` and `valid-acl.csv`, with the published splits."""
    root = data_set(options, ("train-acl.csv", "valid-acl.csv"), FORM)
    faults = Faults()
    lines = {part: _labels(root / f"{part}-acl.csv", faults) for part in PARTS}
    unique = by_key((line for part in lines.values() for line in part.values()), "id", faults=faults)
    rows = []
    notes = [NO_PATIENTS, spacing_note(options.spacing)]
    for part, known in lines.items():
        tables = {name: root / f"{part}-{name}.csv" for name in OTHER_FINDINGS}
        others = {name: _labels(table, faults) for name, table in tables.items() if table.is_file()}
        folder = root / part / options.plane
        for number, line in known.items():
            with faults.caught():
                if unique.get((number,)) is line:
                    rows.append(_row(folder, line, others, options.spacing, labels))
        unknown = sorted(file.name for file in folder.glob("*.npy") if file.stem not in known)
        if unknown:
            notes.append(f"{part}-acl.csv has no row for {named(unknown)} of {part}/{options.plane}: left out.")
    return ImportResult(tuple(rows), tuple(notes), faults)


def _labels(table: Path, faults: Faults) -> dict[str, Line]:
    """Lines by id, padded with zeros as the arrays' file names are."""
    padded = []
    for line in read_table(table, header=("id", "label"), faults=faults).lines:
        with faults.caught():
            padded.append(replace(line, cells=line.cells | {"id": f"{line.whole_number('id'):04d}"}))
    return {number: line for (number,), line in by_key(padded, "id", faults=faults).items()}


def _row(
    folder: Path, line: Line, others: dict[str, dict[str, Line]], spacing: Spacing, labels: LabelTable
) -> ImportedExam:
    number = line["id"]
    path = folder / f"{number}.npy"
    try:
        binary, four_class = labels.classes("mrnet", line["label"])
        _check_array(path)
    except ValueError as error:
        raise line.fault(str(error)) from None
    findings = {"acl": line["label"]} | {
        name: known[number]["label"] for name, known in others.items() if number in known
    }
    exam = Exam(
        exam_id=f"mrnet-{number}",
        patient_id=f"mrnet-{number}",
        path=path,
        source="mrnet",
        binary=binary,
        four_class=four_class,
        readers="|".join(f"{name}={value}" for name, value in findings.items()),
        spacing_mm=spacing,
        split=PARTS[folder.parent.name],
        notes=SPACING_ASSUMED,
    )
    return ImportedExam(exam, line)


def _check_array(path: Path) -> None:
    """ValueError unless the file's header is that of an MRNet array. The pixels aren't read."""
    if not path.is_file():
        raise ValueError(f"{'/'.join(path.parts[-3:])} is missing")
    array = read_array(path)
    if array.dtype != np.uint8 or array.shape[1:] != (SIDE, SIDE):
        raise ValueError(
            f"{path.name} is {array.dtype} {array.shape}; MRNet's arrays are uint8 (slices, {SIDE}, {SIDE})"
        )
