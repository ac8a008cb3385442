"""What must be there before the service or the DIMSE listener starts. Whatever is missing is said in one sentence."""

import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.service.environment import SettingsError
from app.service.kept import check_kept
from app.service.settings import Settings
from app.store.database import Database, sqlite_file, sqlite_url
from app.store.keys import KeyRing
from app.store.opening import SQLITE, StoreError, open_database


class StartError(Exception):
    """The service can't start. The message gives the reason in one sentence."""


def check_store(settings: Settings) -> None:
    """Write to the data folder and open the store. The database's tables are upgraded if they are of an older version.

    Raises:
        StartError: One of them can't be used, they don't belong together, or what is kept there isn't de-identified as
            the settings want it.
    """
    with _leaving_no_folder(settings.data):
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=settings.data) as probe:
                probe.write(bytes(4096))
                probe.flush()
        except OSError as error:
            reason = error.strerror or "unknown reason"
            raise StartError(f"CRUCIATE_DATA: the folder {settings.data} can't be written to ({reason}).") from None
        database = _opened(settings)
    try:
        check_kept(settings, database)
    except StoreError as error:
        raise StartError(str(error)) from None
    finally:
        database.close()


@contextmanager
def _leaving_no_folder(folder: Path) -> Iterator[None]:
    """If the block raises, folders that it has made are deleted, unless something is in them."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except BaseException:
        for one in new:
            with suppress(OSError):
                one.rmdir()
        raise


def asks_who(settings: Settings) -> bool:
    """Whether requests need a key or a user. Raises StartError if the store can't be opened.

    Makes nothing: a store that isn't there yet has no key.
    """
    if settings.api_keys or settings.user_header:
        return True
    file = sqlite_file(settings.database or sqlite_url(settings.data / SQLITE))
    if file is not None and not file.exists():
        return False
    database = _opened(settings)
    try:
        return KeyRing(database).required()
    finally:
        database.close()  # connections don't survive a fork


def _opened(settings: Settings) -> Database:
    try:
        return open_database(settings.database, settings.data)
    except StoreError as error:
        raise StartError(str(error)) from None


def check_free(addresses: Iterable[object]) -> None:
    """Check that a server can listen on addresses, each (host, port). Others (paths, inherited sockets) are left out.

    Raises:
        StartError: An address is in use, or doesn't belong to this machine.
    """
    for address in addresses:
        if isinstance(address, tuple):
            host, port = address
            try:
                family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
                with socket.socket(family, kind) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(place)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise StartError(f"Port {port} of {host} can't be listened on ({reason}).") from None


def sentence(error: Exception) -> str:
    """Why something can't start, in one sentence without passwords and without values of a database."""
    if isinstance(error, (StartError, SettingsError, StoreError)):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        cause = getattr(error, "orig", None) or error
        return f"The database can't be opened ({type(cause).__name__}{_first_line(cause)}); see CRUCIATE_DATABASE."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}."
    return f"{type(error).__name__}{_first_line(error)}."


def _first_line(error: BaseException) -> str:
    line = next(iter(str(error).splitlines()), "").strip().rstrip(".")
    return f": {line}" if line else ""
