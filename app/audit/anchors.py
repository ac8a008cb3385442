"""What the database remembers of the audit trail: so a cut is seen though `head` was rewritten, or all was deleted.

An anchor is the sha256 of one line. Each line holds the sha256 of the line before it, so the anchor vouches for all
lines up to it. The service moves the latest anchor on to the last line, if the trail still holds the anchor's line and
goes on from it without a break. If it doesn't, another anchor is begun, and the former one stays: it is missed from
then on.

Several processes may do this at one time: they share one trail, as they share the database. Whoever can write to the
database, too, can deceive this; it may be on another machine.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import sqlalchemy
from sqlalchemy import column, create_engine, inspect, select, table
from sqlalchemy.orm import Session

from app.audit.trail import FOLDER, LONGEST, continues, digest
from app.audit.verify import Snapshot, lines_from

LOG = logging.getLogger(__name__)
# The table `AuditAnchor` of app/store/database.py, which isn't imported: the store writes into the audit trail.
TABLE = table(
    "audit_anchor", column("number"), column("digest"), column("lines"), column("file"), column("size"), column("time")
)
# The database in the data folder, if no other is named (app/store/opening.py).
SQLITE = "cruciate.db"


class Sessions(Protocol):
    """A database, such as `app.store.database.Database`."""

    def read(self) -> AbstractContextManager[Session]:
        """A session for selects."""

    def write(self) -> AbstractContextManager[Session]:
        """One transaction."""


class Anchor(NamedTuple):
    """A line that the database remembers.

    Attributes:
        digest: sha256 of the line.
        lines: How many lines there were up to it, itself included.
        file: Name of its file.
        size: Where it ends in the file, in bytes.
        time: When it was remembered, in seconds since 1970.
    """

    digest: str
    lines: int
    file: str
    size: int
    time: float

    @property
    def when(self) -> str:
        """The time in words."""
        return f"{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d %H:%M:%S} UTC"


COLUMNS = [TABLE.c[name] for name in Anchor._fields]


class Anchors:
    """Lets the database remember the trail.

    Args:
        database: The database.
        data: The data folder.
        clock: Gives the time in seconds since 1970.
    """

    def __init__(self, database: Sessions, data: Path, clock: Callable[[], float] = time.time) -> None:
        self._database, self._folder, self._clock = database, data / FOLDER, clock

    def round(self) -> None:
        """Remember the last line, if it isn't remembered yet."""
        latest = select(TABLE.c.number, *COLUMNS).order_by(TABLE.c.number.desc()).limit(1)
        with self._database.read() as session:
            row = session.execute(latest).one_or_none()
        known = Anchor(*row[1:]) if row else None
        try:
            now = Snapshot.of(self._folder)  # after the row, which another process may have moved on
        except FileNotFoundError:  # there is no trail yet, or no longer; `verify` knows which
            return
        new = self._last(now, known)
        if row and known and new:
            if new != known:
                same = (TABLE.c.number == row.number) & (TABLE.c.digest == known.digest)
                with self._database.write() as session:
                    session.execute(TABLE.update().where(same).values(new._asdict()))
            return
        if known:
            LOG.error("the audit trail doesn't go on from where it was: see python -m app.audit verify")
        if (first := self._last(now, None)) is not None:
            with self._database.write() as session:
                session.execute(TABLE.insert().values(first._asdict()))

    def _last(self, now: Snapshot, known: Anchor | None) -> Anchor | None:
        """The last line as an anchor.

        Args:
            now: The trail.
            known: From here on, lines are read and counted, and the chain must hold. None: from the first line.

        Returns:
            None if the known line is gone, if the chain breaks behind it, or if there is no whole line.
        """
        anchor = known or Anchor("", 0, "", 0, 0.0)
        if known and _line_that_ends(self._folder / known.file, known.size) != known.digest:
            return None
        line = b""
        for found in lines_from(now.sizes, anchor.file, anchor.size):
            if known and found.before != anchor.digest:
                return None
            line = found.line
            anchor = Anchor(digest(line), anchor.lines + 1, found.file, found.end, self._clock())
        if not line:
            return known
        whole = _line_that_ends(self._folder / anchor.file, anchor.size) == anchor.digest
        return anchor if whole and (known is None or continues(line, now.head)) else None


def remembered(url: str, data: Path) -> list[Anchor] | None:
    """The anchors of a database, the oldest first; None if there is no database, or an early one.

    Args:
        url: The database; empty for the one in the data folder.
        data: The data folder.

    Raises:
        SQLAlchemyError: The database can't be asked.
    """
    if not url and not (data / SQLITE).exists():
        return None
    engine = create_engine(url or f"sqlite:///{(data / SQLITE).absolute()}", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table(TABLE.name):
            return None
        rows = connection.execute(select(*COLUMNS).order_by(TABLE.c.number)).all()
    return [Anchor(*row) for row in rows]


def _line_that_ends(path: Path, end: int) -> str:
    """sha256 of the line of a file that ends at `end`; empty if no line ends there."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, end - LONGEST))
            content = stream.read(min(end, LONGEST))
    except OSError:
        return ""
    if len(content) < min(end, LONGEST) or not content.endswith(b"\n"):
        return ""
    return digest(content.removesuffix(b"\n").rpartition(b"\n")[2])
