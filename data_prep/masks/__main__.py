"""`python -m data_prep.masks`: make a table of masks, check it, share its exams out.

A mistake in the data or on the command line gives one sentence and exit status 2; nothing is written then. `check`
exits with 1 if it finds a fault.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.exams.split import SPLITS
from data_prep.masks.check import check_masks, split_masks
from data_prep.masks.pairs import find_pairs
from data_prep.masks.row import MaskRow
from data_prep.masks.sources import rows_of_exams, rows_of_phantoms, rows_of_segmentations
from data_prep.masks.structures import STRUCTURES, Shows
from data_prep.masks.table import by_exam, read_masks, write_masks
from data_prep.subcommands import run_subcommand
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    ignore_pydicom_warnings()
    return run_subcommand(_parser(), arguments)


def _pairs(options: argparse.Namespace) -> int:
    rows = find_pairs(options.folder, options.patient, options.skip_unpaired)
    if options.structure is not None:
        rows = [replace(row, structure=options.structure) for row in rows]
    if options.patient is None:
        print("Every image counts as a patient of its own; --patient REGEX finds the patient in the image's path.")
    return _write(rows, options.out)


def _exams(options: argparse.Namespace) -> int:
    exams = read_exams(options.table)
    rows = rows_of_exams(exams)
    if left := len(exams) - len(rows):
        print(f"left out, because they have neither a mask nor a box: {left} exams")
    return _write(rows, options.out)


def _segmentations(options: argparse.Namespace) -> int:
    rows, others = rows_of_segmentations(options.folder, read_exams(options.exams))
    if others:
        print(f"left out, because no exam has their study: {len(others)} Segmentations, such as {others[0].name}")
    if not rows:
        raise ValueError(f"{options.folder}: no Segmentation belongs to an exam of {options.exams.name}")
    return _write(rows, options.out)


def _phantoms(options: argparse.Namespace) -> int:
    workers = Workers.from_options(options)
    return _write(rows_of_phantoms(read_exams(options.table), options.structures, workers), options.out)


def _write(rows: Sequence[MaskRow], out: Path) -> int:
    write_masks(rows, out)
    print(f"{len(rows)} masks or boxes of {len(by_exam(rows))} exams in {out}; `check` reads them all")
    return 0


def _check(options: argparse.Namespace) -> int:
    checked = check_masks(read_masks(options.table), Workers.from_options(options))
    print(checked)
    return 1 if checked.faults else 0


def _split(options: argparse.Namespace) -> int:
    rows = read_masks(options.table)
    checked = check_masks(rows, Workers.from_options(options))
    if len(checked.looked) < len(by_exam(rows)):
        raise ValueError(checked.faults[0])
    rows = split_masks(rows, checked.looked, options.test, options.val, options.seed)
    write_masks(rows, options.out)
    counts = Counter(exam[0].split for exam in by_exam(rows).values())
    print(", ".join(f"{name} {counts[name]} ({counts[name] / counts.total():.1%})" for name in SPLITS))
    return 0


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: not a regular expression ({error})") from None


def _shows(text: str) -> Shows:
    try:
        return Shows.parsed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def _structures(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in STRUCTURES]:
        raise argparse.ArgumentTypeError(f"unknown structure {unknown[0]!r}; known are {', '.join(STRUCTURES)}")
    return names


def _csv(text: str) -> Path:
    if Path(text).suffix.lower() != ".csv":
        raise argparse.ArgumentTypeError(f"{text}: tables are written as CSV; use the ending .csv")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m data_prep.masks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    pairs = commands.add_parser("pairs", help="find images and masks by their names")
    pairs.add_argument("folder", type=Path)
    pairs.add_argument(
        "--patient", type=_regex, metavar="REGEX", help="finds the patient in an image's path: its first group"
    )
    pairs.add_argument(
        "--structure", type=_shows, help="what every mask shows, such as pcl, 1=femur|2=tibia or '>127=acl'"
    )
    pairs.add_argument("--skip-unpaired", action="store_true", help="leave out images without masks, and masks alone")
    pairs.set_defaults(run=_pairs)

    exams = commands.add_parser("exams", help="take masks and boxes from an exam table")
    exams.add_argument("table", type=Path)
    exams.set_defaults(run=_exams)

    segmentations = commands.add_parser("segmentations", help="find the DICOM Segmentations of an exam table's studies")
    segmentations.add_argument("folder", type=Path)
    segmentations.add_argument("--exams", type=Path, required=True, help="the exam table")
    segmentations.set_defaults(run=_segmentations)

    phantoms = commands.add_parser("phantoms", help="make masks of several structures of synthetic exams")
    phantoms.add_argument("table", type=Path)
    phantoms.add_argument(
        "--structures", type=_structures, default=STRUCTURES, help=f"names with commas; default: {','.join(STRUCTURES)}"
    )
    phantoms.set_defaults(run=_phantoms)

    check = commands.add_parser("check", help="read everything; exit status 1 if there is a fault")
    check.add_argument("table", type=Path)
    check.set_defaults(run=_check)

    split = commands.add_parser("split", help="share exams out to training, validation and test, by patient")
    split.add_argument("table", type=Path)
    split.add_argument("--test", type=float, default=0.15, help="share of the exams")
    split.add_argument("--val", type=float, default=0.15, help="share of the exams")
    split.add_argument("--seed", type=int, default=0)
    split.set_defaults(run=_split)

    for command in (pairs, exams, segmentations, phantoms, split):
        command.add_argument("--out", type=_csv, required=True, help="the table to write")
    for command in (phantoms, check, split):
        Workers.add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
