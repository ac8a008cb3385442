"""`python -m data_prep.exams`: make an exam table, join tables, make splits, look for faults, report the contents.

A mistake in the data or on the command line gives one sentence and exit status 2; nothing is written then. `audit`
exits with 1 if it finds a fault.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.exams.audit import audit
from data_prep.exams.groups import groups, links
from data_prep.exams.look import Look, completed, keep, look_at
from data_prep.exams.report import write_report
from data_prep.exams.split import SPLITS, label_set, missing_classes, split_exams
from data_prep.importers import IMPORTERS
from data_prep.importers.found import ImportResult
from data_prep.importers.label_table import LabelTable
from data_prep.importers.patient_ids import keys_used
from data_prep.labels import SCHEMES
from data_prep.prepare import array_files
from data_prep.subcommands import run_subcommand
from data_prep.tables.exams import Exam, read_exams, write_exams
from data_prep.tables.faults import write_faults
from data_prep.workers import Workers

# Endings of files that are read but not written.
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    ignore_pydicom_warnings()
    return run_subcommand(_parser(), arguments)


def _import(options: argparse.Namespace) -> int:
    labels = LabelTable.load(options.labels)
    found = IMPORTERS[options.source].find(options, labels)
    _check_rows(found, options)
    print(f"{len(found.rows)} exams found; their pixels are checked now", file=sys.stderr)
    looks = _looks([row.exam for row in found.rows], options, options.out)
    seen = []
    for row, look in zip(found.rows, looks, strict=True):
        with found.faults.caught():
            if look.shape is None and row.exam.path.suffix in array_files.SUFFIXES:
                raise row.line.fault(look.flags[0].reason)
            seen.append((completed(row.exam, look), look))
    _check_rows(found, options)
    for exam, look in seen:
        if exam.path.exists():
            keep(exam, look, _looks_folder(options.out))
    exams = [exam for exam, _ in seen]
    dropped = [exam for exam in exams if exam.flags] if options.drop else []
    kept = [exam for exam in exams if not (options.drop and exam.flags)]
    if options.drop:
        write_exams(dropped, options.out.with_suffix(".dropped.csv"))
    write_exams(kept, options.out)
    for note in found.notes:
        print(note)
    if options.skip_bad_rows:
        bad_rows, faults = options.out.with_suffix(".bad-rows.csv"), set(found.faults.found)
        write_faults(faults, bad_rows)
        print(f"{len(faults)} faults of rows that were left out are listed in {bad_rows}")
    print(
        f"{len(kept)} exams in {options.out}, {sum(bool(exam.flags) for exam in exams)} flagged, {len(dropped)} dropped"
    )
    return 0


def _check_rows(found: ImportResult, options: argparse.Namespace) -> None:
    """ValueError with all faults of all rows, unless faulty rows shall be left out and other rows remain."""
    if not options.skip_bad_rows:
        found.faults.check("; --skip-bad-rows leaves such rows out and lists them")
    elif not found.rows:
        found.faults.check("; no row without a fault remains")


def _merge(options: argparse.Namespace) -> int:
    exams: dict[str, Exam] = {}
    keys: dict[Path, set[str]] = {}
    for table in options.tables:
        for exam in (ours := read_exams(table)):
            if exam.exam_id in exams:
                raise ValueError(f"{table}: exam {exam.exam_id!r} is in another of these tables too")
            exams[exam.exam_id] = exam
        keys[table] = keys_used(exam.patient_id for exam in ours)
    write_exams(exams.values(), options.out)
    if len(set().union(*keys.values())) > 1:
        named = ", ".join(str(table) for table, used in keys.items() if used)
        print(
            f"Patients of {named} were hashed with different keys, so a patient in two of them can't be recognised: "
            "`split` may put this patient's exams into different splits. Import again with one --patient-key."
        )
    print(f"{len(exams)} exams in {options.out}")
    return 0


def _split(options: argparse.Namespace) -> int:
    out = options.out or options.table
    if out.suffix.lower() in WORKBOOKS:
        raise ValueError(f"{out.name} is a workbook, and tables are written as CSV: name one with --out")
    exams = read_exams(options.table)
    looks = _looks(exams, options, options.table)
    together = groups(len(exams), links(exams, looks, by_scanner="scanner" in options.by))
    useful = [bool(any(label_set(exam)) and look.shape) for exam, look in zip(exams, looks, strict=True)]
    dealt = [[index for index in group if useful[index]] for group in together]
    exams = split_exams(exams, [group for group in dealt if group], options.test, options.val, options.seed)
    write_exams(exams, out)
    counts = Counter(exam.split for exam in exams)
    print(", ".join(f"{name} {counts[name]} ({counts[name] / sum(useful):.1%})" for name in SPLITS))
    lacks = [lack for scheme in SCHEMES.values() for lack in missing_classes(exams, scheme)]
    for lack in lacks:
        print(f"WARNING {lack}")
    if lacks:
        print("Another --seed, larger shares (--val, --test) or more exams of the class may help.")
    if counts[""]:
        print(f"in no split, because they have no label or no usable pixels: {counts['']}")
    return 0


def _audit(options: argparse.Namespace) -> int:
    try:
        exams = read_exams(options.table)
    except ValueError as error:
        print(f"FAULT {error}")
        return 1
    result = audit(exams, _looks(exams, options, options.table))
    print(result)
    return 1 if result.faults else 0


def _report(options: argparse.Namespace) -> int:
    exams = read_exams(options.table)
    looks = _looks(exams, options, options.table)
    labels = LabelTable.load(None)
    caveats = {source: labels.caveat(source) for source in sorted({exam.source for exam in exams})}
    page = write_report(options.table.name, exams, looks, options.out, caveats, Workers.from_options(options))
    print(page)
    return 0


def _looks(exams: Sequence[Exam], options: argparse.Namespace, table: Path) -> list[Look]:
    return look_at(exams, _looks_folder(table), Workers.from_options(options))


def _looks_folder(table: Path) -> Path:
    return table.parent / ".looks"


def _csv(text: str) -> Path:
    if Path(text).suffix.lower() in WORKBOOKS:
        raise argparse.ArgumentTypeError(f"{text}: tables are written as CSV; use another ending")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m data_prep.exams", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    importing = commands.add_parser("import", help="make an exam table from a data set")
    importing.set_defaults(run=_import)
    sources = importing.add_subparsers(dest="source", required=True)
    for name, source in IMPORTERS.items():
        one = sources.add_parser(name, description=source.__doc__)
        one.add_argument("--root", type=Path, required=True, help="the data set's folder")
        one.add_argument("--out", type=_csv, required=True, help="the exam table to write")
        one.add_argument("--labels", type=Path, help="a TOML file whose values replace those of Cruciate's label table")
        one.add_argument(
            "--drop", choices=("flagged",), help="leave out flagged exams; OUT.dropped.csv lists them with the reasons"
        )
        one.add_argument(
            "--skip-bad-rows",
            action="store_true",
            help="leave out rows with faults; OUT.bad-rows.csv lists them with the reasons",
        )
        source.add_options(one)
        Workers.add_options(one)

    merging = commands.add_parser("merge", help="join several tables into one")
    merging.add_argument("tables", type=Path, nargs="+")
    merging.add_argument("--out", type=_csv, required=True)
    merging.set_defaults(run=_merge)

    splitting = commands.add_parser("split", help="share exams out to training, validation and test, without leaks")
    splitting.add_argument("table", type=Path)
    splitting.add_argument("--test", type=float, default=0.15, help="share of the exams")
    splitting.add_argument("--val", type=float, default=0.15, help="share of the exams")
    splitting.add_argument(
        "--by", action="append", choices=("patient", "scanner"), default=["patient"], help="what stays in one split"
    )
    splitting.add_argument("--seed", type=int, default=0)
    splitting.add_argument("--out", type=_csv, help="another table to write (default: the same)")
    splitting.set_defaults(run=_split)

    for name, run, help_ in (
        ("audit", _audit, "look for leaks, unreadable exams and shortcuts; exit status 1 if there is a fault"),
        ("report", _report, "write one page with counts and pictures"),
    ):
        command = commands.add_parser(name, help=help_)
        command.add_argument("table", type=Path)
        command.set_defaults(run=run)
    command.add_argument("--out", type=Path, required=True, help="the page's folder")
    for command in (splitting, commands.choices["audit"], commands.choices["report"]):
        Workers.add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
