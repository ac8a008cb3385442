"""Moves old files of the audit trail to another folder, so that the rest still shows that nothing is missing.

A line of the trail, `audit archived`, holds the sha256 of the last line that was moved. The rest of the trail begins
behind that line. So `verify` tells a trail that was archived from one whose first files somebody has deleted: that line
can't be inserted without a break in the chain behind it.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from app.audit.trail import ARCHIVED, FOLDER, account, files, record
from app.audit.verify import Remembered, verify
from data_prep.files import flush_folder


class NotArchived(Exception):
    """Nothing was moved. The message gives the reason in one sentence."""


class Archived(NamedTuple):
    """What was moved: the number of files, and the sha256 of the last line in them."""

    files: int
    last: str


def archive(data: Path, before: str, to: Path, remembered: Sequence[Remembered] = (), latest: str = "") -> Archived:
    """Move the files of all days before a day to another folder. If it is interrupted, the same call completes it.

    The last file stays, and so does the one that the database remembers: the trail goes on from there.

    Args:
        data: The data folder.
        before: The day, such as `2026-11-01`.
        to: The folder. It is made if it is missing.
        remembered: Lines that must be in the trail, see `verify`.
        latest: Name of the file whose line the database remembers; empty if it remembers none.

    Raises:
        NotArchived: The chain is broken, or the folder is the trail's own, or holds another file of the same name.
        OSError: The folder can't be written to.
    """
    if verify(data, remembered).faults:
        raise NotArchived("The chain is broken, see `verify`; an archive would hide where.")
    every = files(data / FOLDER)
    old = [path for path in every[:-1] if path.name < f"{before}.jsonl" and path.name < (latest or every[-1].name)]
    if not old:
        return Archived(0, "")
    last = verify(data, upto=old[-1].name).last
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in old:
        _copy(path, to / path.name)
    flush_folder(to)
    record(data, ARCHIVED, "done", user=account(), sha256=last)
    for path in old:
        path.unlink()
    flush_folder(data / FOLDER)
    return Archived(len(old), last)


def _copy(path: Path, place: Path) -> None:
    if not place.exists():
        unfinished = place.with_suffix(".unfinished")
        with path.open("rb") as source, unfinished.open("wb") as target:
            os.fchmod(target.fileno(), 0o600)
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        unfinished.rename(place)
    if place.samefile(path):
        raise NotArchived("This folder is the trail's own.")
    if place.read_bytes() != path.read_bytes():
        raise NotArchived(f"The folder holds another file {place.name}.")
