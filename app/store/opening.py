"""Opening the data folder and the database: for their owner only, and only if they belong together.

They belong together if both hold the same random id. With another database, the service would know nothing of the files
in the folder.

<data>/identity      the id; the database has it in its table `identity`
<data>/identity.new  the id while the two are being joined. It is renamed when the database has it, so the next start
                     completes what a process began that died meanwhile
"""

import logging
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.store.database import Database, Identity, Instance, Prediction, sqlite_file, sqlite_url
from app.store.disk.instance_folder import files_in
from app.store.disk.shared_folder import ASIDE, LOCK, locked
from app.store.queue import DONE, QUEUED
from data_prep.files import flush_folder

LOG = logging.getLogger(__name__)
FILE, UNFINISHED = "identity", "identity.new"
INSTANCES, PREDICTIONS = "instances", "predictions"
FOLDERS = (INSTANCES, PREDICTIONS, ASIDE)
# The only row of the table.
ROW = 1
SQLITE = "cruciate.db"
# A database and what is kept beside it.
BESIDE = ("", "-wal", "-shm", "-journal", "-reserve")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NOT_TOGETHER = (
    "The data folder and the database don't belong together ({}): set CRUCIATE_DATA and CRUCIATE_DATABASE to a folder "
    "and its own database, or join these two on purpose with `python -m app.store check --repair`."
)
# What new files and folders don't allow: everything to others.
UMASK = 0o077


class StoreError(Exception):
    """The data folder or the database can't be used. The message gives the reason in one sentence."""


def open_database(url: str, folder: Path) -> Database:
    """Open the database at `url`, or a file in `folder` if `url` is empty. The folder is made if it doesn't exist.

    Raises:
        StoreError: The folder or the database can't be used, or they don't belong together.
    """
    database = _opened(url, folder, only_its_own=True)
    try:
        pair(database, folder)
    except BaseException:
        database.close()
        raise
    return database


def open_alone(url: str, folder: Path) -> Database:
    """Like `open_database`, whether they belong together or not."""
    return _opened(url, folder, only_its_own=False)


def _opened(url: str, folder: Path, only_its_own: bool) -> Database:
    url = url or sqlite_url(folder / SQLITE)
    try:
        _protect(folder, url)
        if only_its_own:
            _refuse_another(url, folder)  # before anything is made
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (file := sqlite_file(url)) is not None:
            with suppress(FileNotFoundError):
                file.touch(mode=0o600)
        return Database(url)
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} and its database can't be kept from other users ({type(error).__name__}): give "
            "them and everything in the folder to the user that runs the service."
        ) from None
    except CommandError:
        raise StoreError("The database can't be upgraded; a newer version of Cruciate may have written it.") from None
    except (SQLAlchemyError, ImportError) as error:  # not quoted: it may name a password
        raise StoreError(f"The database can't be opened or upgraded ({type(error).__name__}).") from None


def _refuse_another(url: str, folder: Path) -> None:
    """Refuse another folder's database before its tables are upgraded, and a new one before it is made.

    What else is wrong with a database is told later.
    """
    # Read before the database is asked: another process may be making both at this moment, the database first.
    has_id, file = (folder / FILE).exists(), sqlite_file(url)
    if (asked := (True, None) if file is not None and not file.exists() else _asked(url)) is None:
        return
    is_new, listed = asked
    found = _found(folder) if is_new else set()
    if is_new and (has_id or found):
        raise StoreError(NOT_TOGETHER.format(f"the database is new, {len(found)} of {len(found)} files have no row"))
    written = _read(folder / FILE) or _read(folder / UNFINISHED) or _read(folder / FILE)
    if listed != written and (has_id or listed is not None):
        raise StoreError(NOT_TOGETHER.format("they have different ids"))


def _asked(url: str) -> tuple[bool, str | None] | None:
    """Whether a database has no tables yet, and its id; None if it can't be asked."""
    with suppress(SQLAlchemyError, ImportError):
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                tables = inspect(connection).get_table_names()
                if Identity.__tablename__ in tables:
                    return False, connection.scalar(select(Identity.id).where(Identity.number == ROW))
                return not tables, None
        finally:
            engine.dispose()
    return None


def pair(database: Database, folder: Path) -> None:
    """Check that both belong together. If neither has an id, both get one, but only if their contents agree.

    Contents agree if both are empty, or if at least half of the rows have a file and half of the files have a row.

    Raises:
        StoreError: They don't belong together.
    """
    with locked(folder):
        if _belong_together(database, folder):
            _complete(folder)
            return
        agree, counts = _compare(database, folder)
        new = not (folder / FILE).exists() and identity(database) is None
        if new and agree:
            try:
                _join(database, folder, replace=False)
                return
            except IntegrityError:  # a process that uses another folder was faster
                pass
        raise StoreError(NOT_TOGETHER.format(counts))


def join(database: Database, folder: Path) -> None:
    """Give both a new id, whatever they had before."""
    with locked(folder):
        _join(database, folder, replace=True)


def _belong_together(database: Database, folder: Path) -> bool:
    """Whether both have the same id."""
    listed = identity(database)
    written = _read(folder / FILE) or _read(folder / UNFINISHED)
    return listed is not None and listed == written


def _join(database: Database, folder: Path, replace: bool) -> None:
    row = Identity(number=ROW, id=uuid.uuid4().hex)
    (folder / UNFINISHED).touch(mode=0o600)
    with (folder / UNFINISHED).open("w") as file:
        file.write(f"{row.id}\n")
        file.flush()
        os.fsync(file.fileno())
    if replace:
        (folder / FILE).unlink(missing_ok=True)
    flush_folder(folder)
    with database.write() as session:
        if replace:
            session.merge(row)
        else:
            session.add(row)
    _complete(folder)


def _complete(folder: Path) -> None:
    """Finish what a process began that died in `_join`."""
    if not (folder / FILE).exists():
        (folder / UNFINISHED).rename(folder / FILE)
        flush_folder(folder)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""


def identity(database: Database) -> str | None:
    """The id of a database; None if it is new."""
    with database.read() as session:
        return session.scalar(select(Identity.id).where(Identity.number == ROW))


def _compare(database: Database, folder: Path) -> tuple[bool, str]:
    """Whether the rows and the files agree, and in words how far.

    A prediction that is arriving, has failed or whose files have expired needs none.
    """
    with database.read() as session:
        instances = session.execute(select(Instance.study_uid, Instance.digest))
        listed = {folder / INSTANCES / study_uid / digest for study_uid, digest in instances}
        expired = Prediction.pixels_expired & Prediction.maps_expired
        predictions = session.execute(select(Prediction.id, Prediction.status.in_((QUEUED, DONE)) & ~expired)).all()
    every = listed | {folder / PREDICTIONS / id_ for id_, _ in predictions}
    listed |= {folder / PREDICTIONS / id_ for id_, has_files in predictions if has_files}
    found = _found(folder)
    rows = f"{len(listed - found)} of {len(listed)} rows have no file"
    counts = f"{rows}, {len(found - every)} of {len(found)} files have no row"
    return 2 * len(listed & found) >= len(listed) and 2 * len(found & every) >= len(found), counts


def _found(folder: Path) -> set[Path]:
    """The files of instances and the folders of predictions that are there."""
    return {*files_in(folder / INSTANCES), *(folder / PREDICTIONS).glob("[!.]*")}


def _protect(folder: Path, url: str) -> None:
    """Take every right to the service's files and folders from other users."""
    if folder.exists() and folder.stat().st_uid != os.geteuid():
        raise StoreError(
            f"The data folder {folder} belongs to another user: run the service as this user, or change the owner of "
            "the folder and of everything in it."
        )
    paths = [folder, *(folder / name for name in (FILE, UNFINISHED, LOCK, *FOLDERS))]
    if (database := sqlite_file(url)) is not None:
        paths += [database.with_name(database.name + suffix) for suffix in BESIDE]
    for path in paths:
        _close(path)
    fixed = 0
    for name in FOLDERS:  # the data folder may hold other things, too
        for entry in _entries(folder / name):
            try:
                _close(entry)
            except PermissionError:  # the data folder is closed, so others can't reach it
                fixed += 1
    if fixed:
        LOG.warning("the modes of %d files or folders can't be changed", fixed)


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder, except links."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_symlink():
                yield entry
                if entry.is_dir():
                    yield from _entries(entry.path)


def _close(path: Path | os.DirEntry[str]) -> None:
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if mode & OTHERS:
            Path(path).chmod(stat.S_IMODE(mode) & ~OTHERS)
