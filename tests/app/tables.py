"""New SQLite databases get their tables from the first one that the migrations have made in this process.

The migrations take a fifth of a second, and hundreds of tests open a new database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from sqlalchemy import Connection

from app.store import database

MIGRATE = vars(database)["_migrate"]
# They belong to the transaction that is open already.
TRANSACTION = ("BEGIN TRANSACTION;", "COMMIT;")


@contextmanager
def made_once() -> Iterator[None]:
    """In this block, empty SQLite databases get copies of the tables. All others are migrated as usual."""
    statements: list[str] = []

    def migrate(connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or not _is_empty(connection):
            MIGRATE(connection)
        elif statements:
            for statement in statements:
                connection.exec_driver_sql(statement)
        else:
            MIGRATE(connection)
            dump = connection.connection.driver_connection.iterdump()
            statements.extend(statement for statement in dump if statement not in TRANSACTION)

    with mock.patch.object(database, "_migrate", migrate):
        yield


def _is_empty(connection: Connection) -> bool:
    return connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
