"""The tables of the service: predictions, studies, instances, deliveries of results, API keys, and an identity.

SQLite by default, PostgreSQL by URL. Alembic upgrades the tables of an older version (app/store/migrations). Pixels and
maps are in files outside the database. Several processes may use one database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.command
import alembic.config
import sqlalchemy
from sqlalchemy import JSON, Connection, String, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from app.contract.json_text import Json, dumps_of_headers
from app.store.database_file import DatabaseFile
from app.store.disk.reserve import Reserve

MIGRATIONS = Path(__file__).parent / "migrations"
# Seconds. SQLite lets one process write at a time; the others wait at most this long.
LOCK_S = 30
# PostgreSQL: the process that holds this lock creates the tables, the others wait. The number is arbitrary.
MIGRATION_LOCK = 20_261_121
ALONE_LOCK = 20_261_129  # the same for `Database.alone`

Uid = String(64)  # PS3.5 9.1
Digest = String(64)


class Base(DeclarativeBase):
    """Base of every table."""

    type_annotation_map = {Json: JSON(none_as_null=True), list[Json]: JSON}  # noqa: RUF012


class Prediction(Base):
    """A study's volume, the bundle that predicts on it, and the answer.

    Attributes:
        bundle: sha256 of the bundle.
        status: `arriving` (app/store/queue.py), `queued`, `done` or `failed`.
        created: UTC, ISO 8601.
        attempts: How often a process began to compute it and died, or is computing it.
        lease: Who computes it, see app/store/queue.py; None if nobody does.
        beats: How often the lease was renewed.
        study: Everything in a `Job` except voxels and origins.
        published: Whether the deliveries of a `done` prediction's DICOM results are in the table `delivery`.
    """

    __tablename__ = "prediction"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_uid: Mapped[str] = mapped_column(Uid, index=True)
    bundle: Mapped[str] = mapped_column(Digest)
    status: Mapped[str] = mapped_column(String(8), index=True)
    created: Mapped[str] = mapped_column(String(32), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None] = mapped_column(String(32))
    beats: Mapped[int] = mapped_column(default=0, server_default="0")
    study: Mapped[Json]
    origins: Mapped[list[Json]]
    footprint: Mapped[Json | None]
    answer: Mapped[Json | None]
    published: Mapped[bool] = mapped_column(default=False, index=True)


class Study(Base):
    """A study that was received instance by instance.

    Attributes:
        state: `receiving` (more instances may come) or `predicted`.
        received: When the last instance came, in seconds since 1970.
        prediction: Id of the latest prediction.
    """

    __tablename__ = "study"

    uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    received: Mapped[float]
    prediction: Mapped[str | None] = mapped_column(String(32))


class Instance(Base):
    """One instance that the service holds.

    Attributes:
        digest: sha256 of the data set; also the name of the file.
        size: Size of the file in bytes.
        attributes: What QIDO-RS returns for it, as DICOM JSON (PS3.18 F.2).
        ours: Whether it is a result that this service made.
    """

    __tablename__ = "instance"

    sop_uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    study_uid: Mapped[str] = mapped_column(Uid, index=True)
    series_uid: Mapped[str] = mapped_column(Uid, index=True)
    digest: Mapped[str] = mapped_column(Digest)
    size: Mapped[int]
    attributes: Mapped[Json]
    ours: Mapped[bool] = mapped_column(default=False)


class Delivery(Base):
    """The results of a prediction that are to be brought to one target (`app.store.deliveries`).

    Attributes:
        target: The address without user and password, or `this service`: beside the study.
        state: `waiting`, `delivered` or `dead` (no more tries).
        attempts: How many tries have begun.
        due: When to try next, in seconds since 1970; None if it isn't waiting.
        busy_until: Until then, nobody else may try, because one process is trying. None if no process is trying.
        outcome: `delivered`, or why the last try failed.
    """

    __tablename__ = "delivery"

    prediction: Mapped[str] = mapped_column(String(32), primary_key=True)
    target: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(9), default="waiting", server_default="waiting", index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    due: Mapped[float | None] = mapped_column(index=True)
    busy_until: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(String(255))


class ApiKey(Base):
    """An API key, without the key itself.

    Attributes:
        digest: sha256 of the key.
        scopes: What it allows, comma-separated.
        created: In seconds since 1970, as are `expires` and `revoked`; None: never.
    """

    __tablename__ = "api_key"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, unique=True)
    scopes: Mapped[str] = mapped_column(String(64))
    created: Mapped[float]
    expires: Mapped[float | None]
    revoked: Mapped[float | None]


class Identity(Base):
    """The random id that the database and its data folder share (app/store/opening.py). There is one row."""

    __tablename__ = "identity"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(32))


class Database:
    """An open database with all tables. Errors are SQLAlchemy's, such as ArgumentError for an invalid URL."""

    def __init__(self, url: str) -> None:
        file = sqlite_file(url)
        self._reserve = Reserve(file.with_name(f"{file.name}-reserve")) if file is not None else None
        # Parameters are patients' attributes, so no error message may hold them.
        self._engine = sqlalchemy.create_engine(
            url, pool_pre_ping=True, json_serializer=dumps_of_headers, hide_parameters=True
        )
        self._file: DatabaseFile | None = None
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_to_write)
        # Single statements that only read don't wait for a writer.
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        if self._reserve is not None:
            self._reserve.offer()
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            _migrate(connection)
        if file is not None:
            self._file = DatabaseFile(file)
            # SQLite would make a new, empty file.
            event.listen(self._engine, "do_connect", self._require_file)

    def check(self) -> None:
        """Make sure that the database answers and that a transaction can begin to write.

        Raises:
            FileGone: The file of the database is gone or damaged.
            SQLAlchemyError: The database doesn't answer, or can't be written to.
        """
        if self._file is not None:
            self._file.check()
        with self.write() as session:
            session.execute(sqlalchemy.select(Prediction.id).limit(1))

    def _require_file(self, *_: object) -> None:
        if self._file is not None:
            self._file.check()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for selects. Each select sees what was committed when it began."""
        with Session(self._reading) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction. It is on the disk when the block ends, and undone if the block raises."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def erase(self) -> Iterator[Session]:
        """Like `write`, for a deletion: on a full disk it gets the space that is reserved for it."""
        if self._reserve is not None:
            self._reserve.offer()
        with self.write() as session:
            yield session

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """A transaction like `write`. No other process is in such a block at the same time, nor in this one's rows."""
        with self.write() as session:
            if self._engine.dialect.name == "postgresql":
                session.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(ALONE_LOCK)))
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        if self._file is not None:
            self._file.close()


def sqlite_url(path: Path) -> str:
    """The URL of a database in a file."""
    return f"sqlite:///{path.absolute()}"


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for other databases and for one in memory."""
    parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(parsed.database) if is_file and parsed.database and not parsed.database.startswith("file:") else None


def _migrate(connection: Connection) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin transactions; `_begin_to_write` does
    cursor = connection.cursor()
    for setting in ("journal_mode = WAL", "synchronous = FULL", f"busy_timeout = {1000 * LOCK_S}"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_to_write(connection: Connection) -> None:
    """Take the write lock at once. A transaction that reads first and writes later could fail to get it."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
