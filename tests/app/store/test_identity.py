"""A folder and a database that don't belong together are never used together by accident."""

import shutil

import pytest
from sqlalchemy import create_engine, update

from app.store.database import Database, Instance, sqlite_url
from app.store.instances import Instances
from app.store.opening import FILE, UNFINISHED, StoreError, join, open_database
from tests import warm
from tests.app.studies import instances, voxels

REFUSED = "don't belong together"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "var"


def url(tmp_path, name: str = "one") -> str:
    return sqlite_url(tmp_path / f"{name}.db")


def fill(folder, database: Database, pixels=None) -> None:
    files = instances(voxels()[:4] if pixels is None else pixels)
    Instances(folder / "instances", database).receive((str(number), file) for number, file in enumerate(files))


def early(folder, database: Database) -> None:
    """As version 0.1 left them: without an identity."""
    for name in (FILE, UNFINISHED):
        (folder / name).unlink(missing_ok=True)
    with database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM identity")


def files(folder) -> int:
    return len([path for path in (folder / "instances").glob("[!.]*/*") if path.is_file()])


def test_a_new_folder_and_a_new_database_stay_together(folder, tmp_path):
    first = open_database(url(tmp_path), folder)
    fill(folder, first)
    assert len((folder / FILE).read_text().strip()) == 32
    open_database(url(tmp_path), folder)


def test_another_database_is_refused_and_nothing_is_lost(folder, tmp_path):
    fill(folder, open_database(url(tmp_path), folder))
    with pytest.raises(StoreError, match=REFUSED) as error:
        open_database(url(tmp_path, "another"), folder)
    assert "app.store check --repair" in str(error.value)
    assert "4 of 4 files have no row" in str(error.value)
    assert files(folder) == 4
    with open_database(url(tmp_path), folder).read() as session:
        assert session.query(Instance).count() == 4


@pytest.mark.parametrize("is_early", [True, False])
def test_a_refused_database_is_not_made(folder, tmp_path, is_early):
    database = open_database(url(tmp_path), folder)
    fill(folder, database)
    if is_early:
        early(folder, database)
    database.close()
    before = {path for path in tmp_path.rglob("*") if ".incoming" not in path.parts}
    with pytest.raises(StoreError, match="database is new"):
        open_database(url(tmp_path, "another"), folder)
    with pytest.raises(StoreError, match="database is new"):
        open_database(url(tmp_path, "another"), folder)
    assert {path for path in tmp_path.rglob("*") if ".incoming" not in path.parts} == before


def test_an_empty_database_gets_no_tables_if_it_is_refused(folder, tmp_path):
    """As an administrator makes one, for example in PostgreSQL."""
    open_database(url(tmp_path), folder).close()
    (tmp_path / "another.db").touch()
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path, "another"), folder)
    assert (tmp_path / "another.db").stat().st_size == 0


def test_a_refused_folder_is_not_made(folder, tmp_path):
    open_database(url(tmp_path), folder).close()
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path), tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_another_folder_s_database_of_an_earlier_version_is_refused_before_it_is_upgraded(folder, tmp_path):
    """The other installation may still run the earlier version, which couldn't open it any more."""
    fill(folder, open_database(url(tmp_path), folder))
    open_database(url(tmp_path, "another"), tmp_path / "other").close()
    engine = create_engine(url(tmp_path, "another"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0007'")
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path, "another"), folder)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0007"
    engine.dispose()


def test_another_folder_is_refused(folder, tmp_path):
    fill(folder, open_database(url(tmp_path), folder))
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path), tmp_path / "empty")


@pytest.mark.parametrize("another", [True, False])
def test_two_used_stores_are_not_mixed(folder, tmp_path, another):
    """Whether they hold the same studies or not: the identity counts."""
    fill(folder, open_database(url(tmp_path), folder))
    other = tmp_path / "other"
    fill(other, open_database(url(tmp_path, "two"), other), voxels()[4:8] if another else None)
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path, "two"), folder)


def test_an_early_store_gets_an_identity(folder, tmp_path):
    database = open_database(url(tmp_path), folder)
    fill(folder, database)
    early(folder, database)
    open_database(url(tmp_path), folder)
    assert (folder / FILE).exists()


def test_an_early_store_may_have_lost_a_file(folder, tmp_path):
    database = open_database(url(tmp_path), folder)
    fill(folder, database)
    early(folder, database)
    next((folder / "instances").glob("[!.]*/*")).unlink()
    open_database(url(tmp_path), folder)


@pytest.mark.parametrize("loss", ["rows", "files", "another's rows"])
def test_an_early_folder_and_another_database_are_refused(folder, tmp_path, loss):
    database = open_database(url(tmp_path), folder)
    fill(folder, database)
    early(folder, database)
    if loss == "files":
        shutil.rmtree(folder / "instances")
    else:
        database = Database(url(tmp_path, "two"))
        if loss != "rows":
            fill(tmp_path / "elsewhere", database, voxels()[4:8])
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path, "one" if loss == "files" else "two"), folder)
    assert files(folder) == (0 if loss == "files" else 4)


def test_a_folder_without_its_identity_is_refused(folder, tmp_path):
    """Somebody deleted everything in it, or it isn't mounted."""
    fill(folder, open_database(url(tmp_path), folder))
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path), folder)


@pytest.mark.parametrize("moment", ["before the row", "after the row"])
def test_a_process_that_dies_while_it_joins_them_changes_nothing(folder, tmp_path, moment):
    database = open_database(url(tmp_path), folder)
    if moment == "before the row":
        early(folder, database)
        (folder / UNFINISHED).write_text("0" * 32 + "\n")
    else:
        (folder / FILE).rename(folder / UNFINISHED)
    open_database(url(tmp_path), folder)
    assert (folder / FILE).exists()
    assert not (folder / UNFINISHED).exists()


def test_joining_on_purpose_parts_them_from_the_ones_before(folder, tmp_path):
    database = open_database(url(tmp_path), folder)
    another = Database(url(tmp_path, "another"))
    join(another, folder)
    open_database(url(tmp_path, "another"), folder)
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path), folder)
    database.close()


def test_a_damaged_identity_is_refused(folder, tmp_path):
    open_database(url(tmp_path), folder)
    (folder / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path), folder)


def test_two_folders_that_are_new_do_not_share_a_new_database(folder, tmp_path):
    open_database(url(tmp_path), folder)
    with pytest.raises(StoreError, match=REFUSED):
        open_database(url(tmp_path), tmp_path / "second")
    with open_database(url(tmp_path), folder).write() as session:
        session.execute(update(Instance).values(size=0))  # still in use


OPENER = """
import sys
from pathlib import Path
from app.store.opening import open_database
open_database(sys.argv[1], Path(sys.argv[2])).close()
"""


@pytest.mark.slow
def test_processes_that_start_at_once_agree(folder, tmp_path):
    said, command = tmp_path / "said", ["-c", OPENER, url(tmp_path), str(folder)]
    openers = [warm.Forked(command, err=said) for _ in range(2)]
    assert [opener.wait() for opener in openers] == [0] * 2
    assert said.read_text() == ""
    open_database(url(tmp_path), folder)
