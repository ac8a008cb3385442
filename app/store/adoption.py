"""Files that the database doesn't list are listed again: each row is made from the file itself.

A file without a row is left by a process that died between the file and the row, or by a database that was restored
from an older copy. A file that can't be listed is set aside; nothing is deleted.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.store.database import Database, Instance, Study
from app.store.disk.instance_folder import InstanceFolder, blank_preamble, digest_of
from app.store.files.instance_file import Refusal, checked
from app.store.files.sent_file import Facts
from app.store.index.renewal import enter

# Files that are listed in one transaction.
BATCH = 100


class Adopted(NamedTuple):
    """What happened to files without a row.

    Attributes:
        listed: How many have a row now.
        aside: How many were set aside.
        waiting: How many are still there, because there was no more time.
    """

    listed: int
    aside: int
    waiting: int


def adopt(database: Database, folder: InstanceFolder, paths: Iterable[Path], most_s: float | None = None) -> Adopted:
    """List files, and set aside those that can't be listed. The caller holds `folder.alone()`.

    The service predicts on their studies as on studies that have just come.

    Args:
        database: Where they are listed.
        folder: The folder that they are in.
        paths: Files without a row.
        most_s: Seconds; the rest waits when they have passed. None gives all the time that is needed.
    """
    waiting, end = sorted(paths), time.monotonic() + (most_s or 0)
    listed, aside = 0, list[Path]()
    while waiting and (most_s is None or time.monotonic() < end):
        batch, waiting = waiting[:BATCH], waiting[BATCH:]
        rows = {path: _row_of(path, folder) for path in batch}
        with database.write() as session:
            refused = [path for path, row in rows.items() if row is None or not _add(session, row)]
        aside += refused
        listed += len(batch) - len(refused)
    return Adopted(listed, folder.set_files_aside(aside) if aside else 0, len(waiting))


def row_of(facts: Facts, digest: str, size: int, ours: bool) -> Instance:
    """The row of an instance.

    Args:
        facts: What is known of it.
        digest: sha256 of its data set.
        size: Size of the file in bytes.
        ours: Whether this service made it.
    """
    return Instance(
        sop_uid=facts.sop_instance_uid,
        study_uid=facts.study_uid,
        series_uid=facts.series_uid,
        digest=digest,
        size=size,
        attributes=facts.attributes,
        ours=ours,
        stored=time.time(),
    )


def _row_of(path: Path, folder: InstanceFolder) -> Instance | None:
    """The row of a file at its own place; None for a file that wouldn't be received, or isn't what its name says.

    Its header is read here, not in a process with limits: that was done when the file was received.
    """
    if path.is_symlink() or not path.is_file():  # reading a pipe would wait for ever
        return None
    try:
        with path.open("rb") as stream:
            header = checked(stream, None, {})
            digest, size = digest_of(stream, header.start), stream.seek(0, os.SEEK_END)
        if path != folder.file(header.study_uid, digest):
            return None
        blank_preamble(path)
        folder.flush(header.study_uid)
    except (Refusal, OSError):
        return None
    return row_of(Facts.of(header), digest, size, ours=False)


def _add(session: Session, row: Instance) -> bool:
    """Add a row and announce its study; False if another instance has this UID."""
    if (known := session.get(Instance, row.sop_uid)) is not None:
        return (known.study_uid, known.digest) == (row.study_uid, row.digest)  # it was sent again meanwhile
    session.add(row)
    session.merge(Study(uid=row.study_uid, state="receiving", received=time.time()))
    enter(session, row.study_uid, [row.sop_uid])
    return True
