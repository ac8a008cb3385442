"""The audit trail: `python -m app.audit verify`, or `archive --before 2026-11-01 --to FOLDER`.

Reads `CRUCIATE_DATA` and `CRUCIATE_DATABASE`, like the service. Exit status of `verify` 0: the chain is whole. 1: it
breaks somewhere. 2: the database can't be asked what it remembers. `archive` moves nothing unless the status is 0.
"""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.audit.anchors import Anchor, remembered
from app.audit.archive import NotArchived, archive
from app.audit.verify import verify


def main() -> int:
    """Do what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.audit", description="The audit trail in CRUCIATE_DATA.")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("verify", help="say whether and where its chain breaks")
    check.add_argument("--archive", type=Path, action="append", default=[], help="a folder of archived files, too")
    check.set_defaults(act=_verify)
    move = commands.add_parser("archive", help="move old files to another folder")
    move.add_argument("--before", type=date.fromisoformat, required=True, help="a day: 2026-11-01. It stays itself")
    move.add_argument("--to", type=Path, required=True, help="the folder")
    move.set_defaults(act=_archive)
    arguments = parser.parse_args()
    # The default is the one of `Settings.data`. Jobs write to the audit trail, too, so it can't import the settings.
    data = Path(os.environ.get("CRUCIATE_DATA") or "var")
    asked, anchors = True, None
    try:
        anchors = remembered(os.environ.get("CRUCIATE_DATABASE", ""), data)
    except (SQLAlchemyError, ImportError):  # not quoted: it may name a password
        asked = False
    status: int = arguments.act(arguments, data, asked, anchors)
    return status


def _verify(arguments: argparse.Namespace, data: Path, asked: bool, anchors: list[Anchor] | None) -> int:
    verdict = verify(data, anchors or (), arguments.archive)
    print(f"{verdict.lines} lines; sha256 of the last one: {verdict.last}")
    print(_told(asked, anchors))
    for fault in verdict.faults:
        print(fault)
    print("The chain is broken." if verdict.faults else "The chain is whole.")
    return 1 if verdict.faults else 0 if asked else 2


def _archive(arguments: argparse.Namespace, data: Path, asked: bool, anchors: list[Anchor] | None) -> int:
    if not asked:
        print(_told(asked, anchors), file=sys.stderr)
        return 2
    latest = anchors[-1].file if anchors else ""
    try:
        moved = archive(data, str(arguments.before), arguments.to, anchors or (), latest)
    except (NotArchived, OSError) as error:
        print(error if isinstance(error, NotArchived) else error.strerror, file=sys.stderr)
        return 1
    print(
        f"{moved.files} files were moved." + (f" sha256 of the last line in them: {moved.last}" if moved.files else "")
    )
    return 0


def _told(asked: bool, anchors: list[Anchor] | None) -> str:
    if not asked:
        return "The database can't be asked what it remembers of the trail: see CRUCIATE_DATABASE."
    if not anchors:
        return "No database remembers the trail, so a cut at its end isn't seen if the file `head` was rewritten."
    return f"The database remembers {anchors[-1].lines} lines, seen on {anchors[-1].when}."


if __name__ == "__main__":
    sys.exit(main())
