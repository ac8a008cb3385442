"""The tables: made once, kept, and shared by those who read and write at once."""

import threading
import time
from datetime import UTC, datetime

import alembic.command
import alembic.config
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydicom.uid import Comprehensive3DSRStorage, ParametricMapStorage
from sqlalchemy import select

from app.results.common import uid
from app.search.finding import find
from app.store.database import MIGRATIONS, Base, Database, Delivery, Instance, Prediction, Study, sqlite_url
from app.store.index.keys import Level
from app.store.index.renewal import wrong
from app.store.index.summaries import NO_PROBABILITY, SUMMARY
from app.store.superseding import objects_of
from tests import warm
from tests.app.search.held import fill
from tests.app.tables import MIGRATE

OPENER = "import sys; from app.store.database import Database; Database(sys.argv[1]).close()"


@pytest.fixture(autouse=True)
def _migrations(monkeypatch) -> None:
    """Every database is made by the migrations."""
    monkeypatch.setattr("app.store.database._migrate", MIGRATE)


@pytest.fixture
def url(tmp_path) -> str:
    return sqlite_url(tmp_path / "service.db")


def study(uid: str) -> Study:
    return Study(uid=uid, state="receiving", received=1.5)


def downgrade(url: str, revision: str) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, revision)
    return engine


def test_migrations_make_the_tables_that_the_code_speaks_of(url):
    Database(url).close()
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_what_an_earlier_version_stored_gets_its_time(url):
    """0007: retention counts from it. Without a study, an instance counts from the migration."""
    Database(url).close()
    engine = downgrade(url, "0006")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO study (uid, state, received) VALUES ('2.25.1', 'predicted', 1000.5)")
        for uid, study_uid in (("1", "2.25.1"), ("2", "2.25.2")):
            connection.exec_driver_sql(
                "INSERT INTO instance (sop_uid, study_uid, series_uid, digest, size, attributes, ours)"
                f" VALUES ('{uid}', '{study_uid}', '3', 'd', 1, '{{}}', 0)"
            )
        for id_, status in (("a", "done"), ("b", "queued")):
            connection.exec_driver_sql(
                "INSERT INTO prediction (id, study_uid, bundle, status, created, attempts, study, origins, published)"
                f" VALUES ('{id_}', '2.25.1', 'b', '{status}', '2026-11-21T09:30:00Z', 0, '{{}}', '[]', 1)"
            )
    engine.dispose()
    with Database(url).read() as session:
        stored = dict(session.execute(select(Instance.sop_uid, Instance.stored)).all())
        finished = dict(session.execute(select(Prediction.id, Prediction.finished)).all())
        marks = session.execute(select(Prediction.pixels_expired, Prediction.results_expired)).all()
    assert stored == {"1": 1000.5, "2": pytest.approx(time.time(), abs=60)}
    assert finished == {"a": datetime(2026, 11, 21, 9, 30, tzinfo=UTC).timestamp(), "b": None}
    assert {tuple(row) for row in marks} == {(False, False)}


def test_the_worklist_has_what_an_earlier_version_stored(url):
    """0014: also an answer that a very early version wrote."""
    Database(url).close()
    engine = downgrade(url, "0012")
    answers = {
        "a": '{"result": {"predicted": "unhealthy", "probabilities": {"healthy": 0.25, "unhealthy": 0.75}}}',
        "b": '{"result": "unhealthy"}',
    }
    columns = "id, study_uid, bundle, status, created, attempts, study, origins, published, answer"
    with engine.begin() as connection:
        for id_, answer in answers.items():
            values = (id_, "2.25.1", "b", "done", "2026-11-21T09:30:00Z", 0, "{}", "[]", 1, answer)
            connection.exec_driver_sql(f"INSERT INTO prediction ({columns}) VALUES ({'?,' * 9}?)", values)
    engine.dispose()
    with Database(url).read() as session:
        kept = session.execute(select(SUMMARY.c.prediction, SUMMARY.c.predicted, SUMMARY.c.unhealthy)).all()
    assert sorted(map(tuple, kept)) == [("a", "unhealthy", 0.75), ("b", "", NO_PROBABILITY)]


def test_searches_find_what_an_earlier_version_stored(tmp_path):
    """0009: entries are made of the rows. Metadata are made when somebody asks for them, not all at once."""
    held = fill(Database(sqlite_url(tmp_path / "service.db")), seed=3, studies=5)
    before = [find(held.database, level, [], 1000) for level in Level]
    held.database.close()
    downgrade(sqlite_url(tmp_path / "service.db"), "0008").dispose()
    again = Database(sqlite_url(tmp_path / "service.db"))
    assert [sorted(map(repr, find(again, level, [], 1000))) for level in Level] == [
        sorted(map(repr, one)) for one in before
    ]
    with again.read() as session:
        assert set(session.scalars(select(Instance.metadata_due))) == {False}
        assert wrong(session) == []


def test_results_of_an_earlier_version_are_known_by_their_series(url):
    """0010: a later result can replace them."""
    Database(url).close()
    engine = downgrade(url, "0009")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO prediction (id, study_uid, bundle, status, created, attempts, study, origins, published)"
            " VALUES ('a', '2.25.1', 'b', 'done', '2026-11-21T09:30:00Z', 0, '{}', '[]', 1)"
        )
        connection.exec_driver_sql("INSERT INTO delivery (prediction, target, attempts) VALUES ('a', 'http://pacs', 1)")
        for number, (series, ours) in enumerate(
            ((uid("series", "sr", "a"), 1), (uid("series", "map", "a"), 1), ("3", 0))
        ):
            connection.exec_driver_sql(
                "INSERT INTO instance (sop_uid, study_uid, series_uid, digest, size, attributes, ours)"
                f" VALUES ('2.25.9.{number}', '2.25.1', '{series}', 'd', 1, '{{}}', {ours})"
            )
    engine.dispose()
    database = Database(url)
    with database.read() as session:
        found = {(one.sop_uid, one.sop_class_uid) for one in objects_of(session, "a")}
        (delivery,) = session.scalars(select(Delivery))
    assert found == {("2.25.9.0", Comprehensive3DSRStorage), ("2.25.9.1", ParametricMapStorage)}
    assert (delivery.note, delivery.state) == (False, "waiting")


def test_what_was_written_is_there_after_a_restart(url):
    first = Database(url)
    with first.write() as session:
        session.add(study("2.25.1"))
    first.close()
    with Database(url).read() as session:
        assert session.scalars(select(Study.uid)).all() == ["2.25.1"]


def test_a_transaction_that_fails_leaves_nothing(url):
    database = Database(url)

    def fail() -> None:
        with database.write() as session:
            session.add(study("2.25.1"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as session:
        assert session.scalars(select(Study)).all() == []


@pytest.mark.slow
def test_processes_that_start_at_once_make_the_tables_once(url, tmp_path):
    said = tmp_path / "said"
    openers = [warm.Forked(["-c", OPENER, url], err=said) for _ in range(3)]
    assert [opener.wait() for opener in openers] == [0] * 3
    assert said.read_text() == ""


def test_writers_wait_for_each_other_and_readers_for_nobody(url):
    database = Database(url)
    with database.write() as session:
        session.add(study("2.25.0"))

    def count() -> None:
        with database.write() as session:
            session.scalars(select(Study)).one().received += 1

    with database.write() as session:
        session.scalars(select(Study)).one().received = 0
        session.flush()
        others = [threading.Thread(target=count) for _ in range(8)]
        for other in others:
            other.start()
        with database.read() as reader:
            assert reader.scalars(select(Study.received)).one() == 1.5
    for other in others:
        other.join()
    with database.read() as session:
        assert session.scalars(select(Study.received)).one() == 8
