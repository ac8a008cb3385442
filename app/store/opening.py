"""Opening the data folder and the database: for their owner only, and only if they belong together."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.store.database import Database, sqlite_url
from app.store.identity import FILE, INSTANCES, PREDICTIONS, UNFINISHED, StoreError, pair
from app.store.shared_folder import ASIDE, LOCK

SQLITE = "cruciate.db"
# The files that SQLite keeps beside a database.
BESIDE = ("", "-wal", "-shm", "-journal")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
# What new files and folders don't allow: everything to others.
UMASK = 0o077


def open_database(url: str, folder: Path) -> Database:
    """Open the database at `url`, or a file in `folder` if `url` is empty. The folder is made if it doesn't exist.

    Raises:
        StoreError: The folder or the database can't be used, or they don't belong together.
    """
    database = open_alone(url, folder)
    try:
        pair(database, folder)
    except BaseException:
        database.close()
        raise
    return database


def open_alone(url: str, folder: Path) -> Database:
    """Like `open_database`, whether they belong together or not."""
    try:
        _protect(folder, url)
        return Database(url or sqlite_url(folder / SQLITE))
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} and its database can't be kept from other users ({type(error).__name__}): give "
            "them and everything in the folder to the user that runs the service."
        ) from None
    except (SQLAlchemyError, CommandError) as error:  # not quoted: the message may name a password
        raise StoreError(f"The database can't be opened or upgraded ({type(error).__name__}).") from None


def _protect(folder: Path, url: str) -> None:
    """Take every right to the service's files and folders from other users."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.geteuid():
        raise StoreError(
            f"The data folder {folder} belongs to another user: run the service as this user, or change the owner of "
            "the folder and of everything in it."
        )
    _close(folder)
    for path in _ours(folder):
        _close(path)
    database = _sqlite_file(url, folder)
    if database is not None:
        with suppress(FileNotFoundError):
            database.touch(mode=0o600)
        for suffix in BESIDE:
            _close(database.with_name(database.name + suffix))


def _ours(folder: Path) -> Iterator[Path]:
    """What the service keeps in the data folder. The folder may hold other things, too."""
    yield from (folder / name for name in (FILE, UNFINISHED, LOCK))
    for top in (INSTANCES, PREDICTIONS, ASIDE):
        yield folder / top
        for place, folders, files in os.walk(folder / top):
            yield from (Path(place, name) for name in (*folders, *files))


def _close(path: Path) -> None:
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if mode & OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def _sqlite_file(url: str, folder: Path) -> Path | None:
    parsed = make_url(url or sqlite_url(folder / SQLITE))
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(parsed.database) if is_file and parsed.database and not parsed.database.startswith("file:") else None
