"""Readers' reviews as an exam table with pixels and masks, to train on.

    python -m app.reviews export OUT

Give it the environment variables of the service, which may run meanwhile. Comments, names and numbers of patients
aren't exported. Exit status 0, or 2 after a sentence.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from app.audit import account, record
from app.reviews.export import TABLE, export
from app.reviews.knees import knees
from app.service.command import run
from app.service.settings import Settings
from app.store.database import Database
from app.store.opening import PREDICTIONS
from data_prep.importers.patient_ids import KEY_FILE, PatientIds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    given = _parser().parse_args(arguments)
    return run(lambda settings, database: _export(settings, database, given), ValueError)


def _export(settings: Settings, database: Database, given: argparse.Namespace) -> None:
    out: Path = given.out
    if out.exists() and not (out / TABLE).is_file():
        raise ValueError(f"{out} exists and isn't an earlier export; name another folder.")
    ids = PatientIds.of_file(given.patient_key or out.absolute().parent / KEY_FILE, make=given.patient_key is None)
    predictions = settings.data / PREDICTIONS
    written = export(knees(database, predictions), out, predictions, ids, settings.site)
    record(settings.data, "reviews exported", "done", user=account(), size=written.exams)
    print(f"{written.exams} exams and {written.masks} masks in {out}")
    if written.without_pixels:
        print(f"{written.without_pixels} exams have no pixels any more: they have expired, or are lost")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m app.reviews", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    exporting = commands.add_parser("export", help="write exams.csv, masks and volumes")
    exporting.add_argument("out", type=Path, help="the folder to write; an earlier export there is replaced")
    exporting.add_argument(
        "--patient-key",
        type=Path,
        help=f"the key of an import, so that patients have the same ids (default: {KEY_FILE} beside OUT)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
