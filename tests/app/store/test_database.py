"""The tables: made once, kept, and shared by those who read and write at once."""

import subprocess
import sys
import threading

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from app.store.database import Base, Database, Study, sqlite_url

OPENER = "import sys; from app.store.database import Database; Database(sys.argv[1]).close()"


@pytest.fixture
def url(tmp_path) -> str:
    return sqlite_url(tmp_path / "service.db")


def study(uid: str) -> Study:
    return Study(uid=uid, state="receiving", received=1.5)


def test_migrations_make_the_tables_that_the_code_speaks_of(url):
    Database(url).close()
    with sqlalchemy.create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


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
def test_processes_that_start_at_once_make_the_tables_once(url):
    openers = [subprocess.Popen([sys.executable, "-c", OPENER, url], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(opener.communicate()[1], opener.returncode) for opener in openers] == [(b"", 0)] * 3


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
