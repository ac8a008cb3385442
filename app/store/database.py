"""The tables of the service: predictions, reviews, studies, instances, deliveries, objects, API keys, and single rows.

SQLite by default, PostgreSQL by URL. Alembic upgrades the tables of an older version (app/store/migrations). Pixels and
maps are in files outside the database. Several processes may use one database.
"""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import alembic.command
import alembic.config
import sqlalchemy
from sqlalchemy import JSON, BigInteger, Connection, String, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.contract.json_text import Json, dumps_of_headers
from app.store.disk.database_file import DatabaseFile
from app.store.disk.reserve import Reserve
from app.store.index import summaries  # noqa: F401  # its table
from app.store.index.tables import METADATA

MIGRATIONS = Path(__file__).parent / "migrations"
# Seconds. SQLite lets one process write at a time; the others wait at most this long.
LOCK_S = 30
# PostgreSQL: the process that holds this lock creates the tables, the others wait. The number is arbitrary.
MIGRATION_LOCK = 20_261_121
ALONE_LOCK = 20_261_129  # the same for `Database.alone`
# Rows that are fetched at once.
BATCH = 500

T = TypeVar("T")

Uid = String(64)  # PS3.5 9.1
Digest = String(64)


class Base(DeclarativeBase):
    """Base of every table, except those that searches read (app/store/index/tables.py)."""

    metadata = METADATA
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
        finished: When the answer was stored, in seconds since 1970; None if there is none yet.
        pixels_expired: Whether its pixels have expired (app/retention), and with them `study` and `origins`.
        maps_expired: Whether its maps have expired.
        results_expired: Whether the results that were stored beside its study have expired.
        superseded_by: Id of the prediction that replaces this one (app/store/superseding.py); None if it is valid.
        superseded: When that happened: UTC, ISO 8601.
        supersedes: What it replaces, as `superseding.Replaced` writes it; None if it replaces nothing.
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
    finished: Mapped[float | None]
    pixels_expired: Mapped[bool] = mapped_column(default=False, server_default=sqlalchemy.false())
    maps_expired: Mapped[bool] = mapped_column(default=False, server_default=sqlalchemy.false())
    results_expired: Mapped[bool] = mapped_column(default=False, server_default=sqlalchemy.false())
    superseded_by: Mapped[str | None] = mapped_column(String(32), index=True)
    superseded: Mapped[str | None] = mapped_column(String(32))
    supersedes: Mapped[Json | None]


class Review(Base):
    """What a reader said of a prediction, once. Rows are only added; they go with their prediction, or by retention.

    Attributes:
        number: The order in which reviews were stored.
        prediction: Id of the prediction.
        reader: Who gave it, as `Caller.id` names callers; empty if nobody was asked.
        created: In seconds since 1970.
        content: Everything but the mask (app/reviews/reviews.py).
        mask: The mask, packed (app/contract/masks.py); None if nothing was drawn.
        size: Bytes of content and mask, for retention.
        request: The client's Idempotency-Key, if it sent one.
        digest: sha256 of what the client sent.
    """

    __tablename__ = "review"
    __table_args__ = (sqlalchemy.UniqueConstraint("prediction", "reader", "request"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    prediction: Mapped[str] = mapped_column(String(32), index=True)
    reader: Mapped[str] = mapped_column(String(80))
    created: Mapped[float]
    content: Mapped[Json]
    mask: Mapped[bytes | None]
    size: Mapped[int]
    request: Mapped[str | None] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(Digest)


class Study(Base):
    """A study that was received instance by instance.

    Attributes:
        state: `receiving` (more instances may come), `predicted`, or `ignored` by a rule (app/routing).
        received: When the last instance came, in seconds since 1970.
        prediction: Id of the latest prediction.
        callers: Who has sent instances of it: AE titles, and names of API keys and users.
    """

    __tablename__ = "study"

    uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    received: Mapped[float]
    prediction: Mapped[str | None] = mapped_column(String(32))
    callers: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")


class Instance(Base):
    """One instance that the service holds.

    Attributes:
        digest: sha256 of the data set; also the name of the file.
        size: Size of the file in bytes.
        attributes: What QIDO-RS returns for it, as DICOM JSON (PS3.18 F.2).
        ours: Whether it is a result that this service made.
        stored: When its file was written, in seconds since 1970.
        metadata_due: Whether its metadata are still to be made (app/dicomweb/metadata.py).
    """

    __tablename__ = "instance"
    # JSON makes rows large, so what is added up or counted is read from an index: sizes by retention, the instances of
    # a series by what searches read.
    __table_args__ = (
        sqlalchemy.Index("ix_instance_sizes", "ours", "study_uid", "size", "stored"),
        sqlalchemy.Index("ix_instance_places", "study_uid", "series_uid", "sop_uid"),
        sqlalchemy.Index(
            "ix_instance_metadata_due",
            "study_uid",
            sqlite_where=sqlalchemy.text("metadata_due = 1"),
            postgresql_where=sqlalchemy.text("metadata_due"),
        ),
    )

    sop_uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    study_uid: Mapped[str] = mapped_column(Uid)
    series_uid: Mapped[str] = mapped_column(Uid, index=True)
    digest: Mapped[str] = mapped_column(Digest)
    size: Mapped[int]
    attributes: Mapped[Json]
    ours: Mapped[bool] = mapped_column(default=False)
    stored: Mapped[float] = mapped_column(server_default="0")
    metadata_due: Mapped[bool] = mapped_column(default=True, server_default=sqlalchemy.false())


class Delivery(Base):
    """The results of a prediction that are to be brought to one target (`app.delivery.deliveries`).

    Attributes:
        target: The address without user and password, or `this service`: beside the study.
        state: `waiting`, `delivered` or `dead` (no more tries).
        attempts: How many tries have begun.
        due: When to try next, in seconds since 1970; None if it isn't waiting.
        trying: A number that the process which is trying changes every few seconds (`app.delivery.tries`); None if no
            process is trying.
        outcome: `delivered`, or why the last try failed.
        note: Whether it brings a rejection note, because a later prediction has superseded this one.
    """

    __tablename__ = "delivery"

    prediction: Mapped[str] = mapped_column(String(32), primary_key=True)
    target: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(9), default="waiting", server_default="waiting", index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    due: Mapped[float | None] = mapped_column(index=True)
    trying: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(String(255))
    note: Mapped[bool] = mapped_column(default=False, server_default=sqlalchemy.false())


class ResultObject(Base):
    """A DICOM object among the results of a prediction. It is written down before the object leaves for any target.

    Attributes:
        note: Whether it is the rejection note for the others.
    """

    __tablename__ = "result_object"

    sop_uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    prediction: Mapped[str] = mapped_column(String(32), index=True)
    series_uid: Mapped[str] = mapped_column(Uid)
    sop_class_uid: Mapped[str] = mapped_column(Uid)
    note: Mapped[bool] = mapped_column(default=False, server_default=sqlalchemy.false())


class Announced(Base):
    """How many instances a series or a study has, as the headers of its instances say (data_prep/selection/missing.py).

    Attributes:
        series_uid: Empty for the whole study.
        instances: The largest number that a header named.
    """

    __tablename__ = "announced"

    study_uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    series_uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    instances: Mapped[int]


class PerformedStep(Base):
    """What a modality says about its work on a study: a performed procedure step (app/dimse/performed_steps.py).

    Attributes:
        uid: Its SOPInstanceUID.
        state: PerformedProcedureStepStatus: `IN PROGRESS`, `COMPLETED` or `DISCONTINUED`.
        series: How many images it made of each series, by SeriesInstanceUID.
        begun: When the service was told of it, in seconds since 1970.
    """

    __tablename__ = "performed_step"

    uid: Mapped[str] = mapped_column(Uid, primary_key=True)
    study_uid: Mapped[str] = mapped_column(Uid, index=True)
    state: Mapped[str] = mapped_column(String(12))
    series: Mapped[Json]
    begun: Mapped[float]


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


class LoggedIn(Base):
    """The session of somebody who has logged in with a key (app/store/sessions.py).

    Attributes:
        digest: sha256 of the session's token.
        key: Name of the key.
        bound: sha256 of token and key, so that the session ends if another key gets this name.
        expires: In seconds since 1970.
    """

    __tablename__ = "logged_in"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    bound: Mapped[str] = mapped_column(Digest)
    expires: Mapped[float]


class Identity(Base):
    """The random id that the database and its data folder share (app/store/opening.py). There is one row."""

    __tablename__ = "identity"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(32))


class AuditAnchor(Base):
    """A line of the audit trail that the database remembers (app/audit/anchors.py). The latest one is moved on.

    Attributes:
        digest: sha256 of the line.
        lines: How many lines there were up to it.
        file: Name of its file.
        size: Where it ends in the file, in bytes.
        time: When it was remembered, in seconds since 1970.
    """

    __tablename__ = "audit_anchor"

    number: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Digest)
    lines: Mapped[int]
    file: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[float]


class Calendar(Base):
    """The time that retention goes by (app/retention/calendar.py), in seconds since 1970. There is one row."""

    __tablename__ = "calendar"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time: Mapped[float]


class Database:
    """An open database with all tables. Errors are SQLAlchemy's, such as ArgumentError for an invalid URL.

    `close` closes all connections. One that nobody uses any more is closed, too.
    """

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
        try:
            self._upgrade()
        except BaseException:
            self._engine.dispose()
            raise
        if file is not None:
            self._file = DatabaseFile(file)
            # SQLite would make a new, empty file.
            event.listen(self._engine, "do_connect", partial(_require, self._file))
        self.close = weakref.finalize(self, _close, self._engine, self._file)

    def _upgrade(self) -> None:
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            _migrate(connection)

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


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of at most `BATCH` items, few enough for one SQL statement."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def sqlite_url(path: Path) -> str:
    """The URL of a database in a file."""
    return f"sqlite:///{path.absolute()}"


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for other databases and for one in memory."""
    parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(parsed.database) if is_file and parsed.database and not parsed.database.startswith("file:") else None


def _require(file: DatabaseFile, *_: object) -> None:
    file.check()


def _close(engine: sqlalchemy.Engine, file: DatabaseFile | None) -> None:
    pool = engine.pool
    engine.dispose()
    # A thread that is still at work would lose its locks with the file.
    if file is not None and isinstance(pool, QueuePool) and not pool.checkedout():
        file.close()


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
