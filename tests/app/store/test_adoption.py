"""Files without a row get one from themselves, as if they were received; others are set aside."""

import os
import shutil

import pytest
from sqlalchemy import select

from app.store.adoption import Adopted, adopt
from app.store.database import Database, Instance, Study, sqlite_url
from app.store.disk.instance_folder import InstanceFolder
from app.store.instances import Instances
from tests.app.studies import instances, voxels

STUDY = "2.25.7"
FILES = instances(voxels())[:3]


@pytest.fixture
def folder(tmp_path) -> InstanceFolder:
    """Three files, whose rows are in another database."""
    known = Database(sqlite_url(tmp_path / "known.db"))
    Instances(tmp_path / "instances", known).receive([("", file) for file in FILES])
    return InstanceFolder(tmp_path / "instances")


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "new.db"))


def rows(database: Database) -> dict[str, tuple]:
    with database.read() as session:
        found = session.scalars(select(Instance)).all()
    return {
        row.sop_uid: (row.study_uid, row.series_uid, row.digest, row.size, row.attributes, row.ours) for row in found
    }


def test_the_rows_are_those_of_receiving(folder, database, tmp_path):
    assert adopt(database, folder, folder.files()) == Adopted(3, 0, 0)
    assert rows(database) == rows(Database(sqlite_url(tmp_path / "known.db")))
    with database.read() as session:
        assert session.scalars(select(Study.state)).all() == ["receiving"]


def test_what_there_is_no_time_for_waits(folder, database):
    before = folder.files()
    assert adopt(database, folder, before, most_s=0) == Adopted(0, 0, 3)
    assert folder.files() == before


def test_a_preamble_is_blanked(folder, database):
    file = min(folder.files())
    content = file.read_bytes()
    file.write_bytes(b"MZ".ljust(128, b"x") + content[128:])
    assert adopt(database, folder, folder.files()) == Adopted(3, 0, 0)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "what", ["cut short", "another name", "another study", "no DICOM", "empty", "a pipe", "a link"]
)
def test_a_file_that_would_not_be_received_is_set_aside(folder, database, tmp_path, what):
    file = min(folder.files())
    if what == "cut short":
        file.write_bytes(file.read_bytes()[:-100])
    elif what == "another name":
        file.rename(file.with_name("f" * 64))
    elif what == "another study":
        (folder.path / "2.25.1").mkdir()
        shutil.move(file, folder.path / "2.25.1" / file.name)
    elif what == "a pipe":
        file.unlink()
        os.mkfifo(file)
    elif what == "a link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.write_bytes(b"no DICOM" if what == "no DICOM" else b"")
    assert adopt(database, folder, folder.files()) == Adopted(2, 1, 0)
    assert len(folder.files()) == 2
    assert len([path for path in (tmp_path / "set-aside").rglob("*") if not path.is_dir()]) == 1


def test_a_file_that_was_sent_again_meanwhile_stays(folder, database, tmp_path):
    unknown = folder.files()
    Instances(tmp_path / "instances", database)
    assert adopt(database, folder, unknown) == Adopted(3, 0, 0)
    assert len(rows(database)) == 3
