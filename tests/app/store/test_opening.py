"""The data folder is its owner's only, whatever its modes were."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from app.store.database import sqlite_url
from app.store.opening import StoreError, open_database

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_for_others(folder: Path) -> list[str]:
    """What the store keeps in this folder, and others may use."""
    found = [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & OTHERS]
    return [path.relative_to(folder).as_posix() for path in found]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with everything a store may hold, for everybody, and a store in it."""
    folder = tmp_path / "var"
    for name in ("instances/2.25.1", "instances/.incoming/0", "predictions/ab", "set-aside/2026"):
        (folder / name).mkdir(parents=True)
    for name in ("predictions/ab/voxels.npy", "set-aside/2026/x", "cruciate.db", "cruciate.db-wal", "instances/.lock"):
        (folder / name).write_bytes(b"")
        (folder / name).chmod(0o664)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_an_open_folder_is_closed_with_everything_in_it(folder):
    (folder / "predictions" / "ab" / "voxels.npy").unlink()
    (folder / "predictions" / "ab").rmdir()
    database = open_database("", folder)
    with database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM study")
    assert open_for_others(folder) == []
    assert {"cruciate.db", "cruciate.db-wal", "cruciate.db-shm"} <= {path.name for path in folder.iterdir()}


def test_a_new_folder_is_closed_without_help_of_the_umask(tmp_path):
    former = os.umask(0)
    try:
        database = open_database("", tmp_path / "new" / "var")
        with database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM study")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new" / "var").iterdir()}
    finally:
        os.umask(former)
    assert {modes[name] for name in ("cruciate.db", "cruciate.db-wal", "cruciate.db-shm")} == {0o600}
    assert (tmp_path / "new" / "var").stat().st_mode & 0o777 == 0o700


def test_a_database_elsewhere_is_closed_too(tmp_path):
    place = tmp_path / "elsewhere.db"
    place.touch(mode=0o644)
    open_database(sqlite_url(place), tmp_path / "var")
    assert place.stat().st_mode & 0o777 == 0o600


def test_other_things_in_the_folder_are_left_alone(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("not ours")
    other.chmod(0o644)
    open_database("", tmp_path)
    assert other.stat().st_mode & 0o777 == 0o644
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused_in_one_sentence(folder):
    os.chown(folder, 12345, 12345)
    with pytest.raises(StoreError, match="belongs to another user") as error:
        open_database("", folder)
    assert str(error.value).count(". ") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files immutable")
def test_a_file_whose_mode_is_fixed_prevents_no_start(folder, caplog):
    fixed = folder / "predictions" / "ab" / "voxels.npy"
    if subprocess.run(["chattr", "+i", fixed], check=False, capture_output=True).returncode:
        pytest.skip("this file system can't make files immutable")
    shutil.copy(fixed, folder / "instances" / "2.25.1" / "x")
    try:
        with pytest.raises(StoreError, match="belong together"):  # what is in this folder belongs to no database
            open_database("", folder)
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert open_for_others(folder) == ["predictions/ab/voxels.npy"]
    assert "the modes of 1 files or folders can't be changed" in caplog.text


@pytest.mark.parametrize("place", ["a file", "a file/within"])
def test_a_folder_that_cannot_be_made_is_told(tmp_path, place):
    (tmp_path / "a file").write_text("")
    with pytest.raises(StoreError, match="can't be kept from other users"):
        open_database("", tmp_path / place)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "cruciate.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="can't be opened or upgraded"):
        open_database("", tmp_path)


def test_a_database_of_a_later_version_is_told(tmp_path):
    database = open_database("", tmp_path)
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreError, match="a newer version of Cruciate"):
        open_database("", tmp_path)
