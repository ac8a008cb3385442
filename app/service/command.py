"""What commands share that work on a service's database: the settings, the open database, errors as sentences."""

import os
import sys
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from app.service.environment import SettingsError
from app.service.settings import Settings
from app.store.database import Database
from app.store.opening import UMASK, StoreError, open_database


def run(work: Callable[[Settings, Database], int | None], *refusals: type[Exception]) -> int:
    """Open the database that the service's environment variables name, work with it, and close it.

    Args:
        work: What to do. It returns the exit status; None stands for 0.
        refusals: Exceptions of `work` whose message is a sentence for people.

    Returns:
        The exit status: that of `work`, or 2 after a sentence on standard error.
    """
    os.umask(UMASK)
    told: tuple[type[Exception], ...] = (SettingsError, StoreError, OSError, *refusals)
    try:
        settings = Settings.from_environment(os.environ)
        database = open_database(settings.database, settings.data)
        try:
            return work(settings, database) or 0
        finally:
            database.close()
    except told as error:
        print(error, file=sys.stderr)
    except SQLAlchemyError as error:  # its message may hold a password
        print(f"The database can't be used ({type(error).__name__}).", file=sys.stderr)
    return 2
