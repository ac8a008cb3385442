"""Old files of the trail move elsewhere; what stays, and both together, are whole chains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.audit import record, tells, trail
from app.audit.anchors import Anchors, remembered
from app.audit.archive import NotArchived, archive
from app.audit.verify import verify
from app.store.database import Database, sqlite_url

DAYS = ("2000-01-01", "2000-01-02", "2000-01-03")


@pytest.fixture
def data(tmp_path) -> Path:
    """A trail of two lines on each of three days; a third day's file is the last one."""
    data = tmp_path / "var"
    for day in DAYS:
        for number in range(2):
            record(data, "key created" if day == DAYS[0] else "GET /v1/predictions", 200 + number)
        (today,) = set(trail.files(data / "audit")) - {data / "audit" / f"{each}.jsonl" for each in DAYS}
        today.rename(today.with_name(f"{day}.jsonl"))
        head = data / "audit" / "head"
        head.write_text(head.read_text().replace(today.name, f"{day}.jsonl"))
    return data


def names(folder: Path) -> list[str]:
    return [path.stem for path in trail.files(folder)]


def test_what_stays_is_whole_and_so_is_both_together(data, tmp_path):
    last = verify(data, upto=f"{DAYS[1]}.jsonl").last
    moved = archive(data, DAYS[2], tmp_path / "old")
    assert (moved.files, moved.last) == (2, last)
    assert names(tmp_path / "old") == [*DAYS[:2]]
    assert not set(names(data / "audit")) & {*DAYS[:2]}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "old").iterdir()} == {0o600}
    record(data, "GET /v1/predictions", 200)
    assert (verify(data).lines, verify(data).faults) == (4, ())  # two, the line about the archive, and a later one
    both = verify(data, archives=[tmp_path / "old"])
    assert (both.lines, both.faults, both.last) == (8, (), verify(data).last)


def test_files_that_were_deleted_by_hand_are_still_missed(data, tmp_path):
    archive(data, DAYS[1], tmp_path / "old")
    assert verify(data).faults == ()
    (data / "audit" / f"{DAYS[1]}.jsonl").unlink()
    assert verify(data).faults == (
        f"{DAYS[2]}.jsonl, line 1 doesn't follow the line before it: that one was changed or removed.",
    )


def test_an_archive_that_was_changed_is_seen(data, tmp_path):
    archive(data, DAYS[2], tmp_path / "old")
    changed = tmp_path / "old" / f"{DAYS[1]}.jsonl"
    changed.write_bytes(changed.read_bytes().replace(b"GET ", b"PUT ", 1))  # no digest holds these letters
    assert len(verify(data, archives=[tmp_path / "old"]).faults) == 1


def test_a_broken_chain_is_not_archived(data, tmp_path):
    changed = data / "audit" / f"{DAYS[0]}.jsonl"
    changed.write_bytes(changed.read_bytes().replace(b"key created", b"key revoked", 1))
    with pytest.raises(NotArchived, match="broken"):
        archive(data, DAYS[2], tmp_path / "old")
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize("link", [False, True])
def test_the_trail_is_not_its_own_archive(data, tmp_path, link):
    place = data / "audit"
    if link:
        (tmp_path / "old").symlink_to(place)
        place = tmp_path / "old"
    with pytest.raises(NotArchived, match="own"):
        archive(data, DAYS[2], place)
    assert (verify(data).lines, verify(data).faults) == (6, ())


def test_what_was_interrupted_is_completed_and_another_file_is_left(data, tmp_path, monkeypatch):
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            archive(data, DAYS[2], tmp_path / "old")
    assert verify(data).faults == ()
    assert archive(data, DAYS[2], tmp_path / "old").files == 2
    assert verify(data, archives=[tmp_path / "old"]).faults == ()
    (tmp_path / "old" / f"{DAYS[2]}.jsonl").write_text("another")
    with pytest.raises(NotArchived, match="another file"):
        archive(data, "9999-12-31", tmp_path / "old")
    assert DAYS[2] in names(data / "audit")


def test_the_last_file_and_the_one_that_the_database_remembers_stay(data, tmp_path):
    database = Database(sqlite_url(data / "cruciate.db"))
    Anchors(database, data).round()
    record(data, "GET /v1/predictions", 200)  # today; the database still remembers a line of the third day
    known = remembered("", data)
    assert archive(data, "9999-12-31", tmp_path / "old", known, known[-1].file).files == 2
    Anchors(database, data).round()
    assert [one.lines for one in remembered("", data)] == [8]
    assert verify(data, remembered("", data)).faults == ()
    database.close()


def test_whether_keys_were_made_is_not_known_from_the_rest(data, tmp_path):
    assert (tells(data, "key created"), tells(data, "key revoked")) == (True, False)
    archive(data, DAYS[2], tmp_path / "old")
    assert tells(data, "key created") is None


@pytest.mark.slow
def test_the_command(data, tmp_path):
    def run(*words: str) -> tuple[int, str]:
        environment = os.environ | {"CRUCIATE_DATA": str(data), "CRUCIATE_DATABASE": ""}
        command = [sys.executable, "-m", "app.audit", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    old = str(tmp_path / "old")
    assert run("archive", "--before", DAYS[2], "--to", old)[1].startswith("2 files were moved. sha256 ")
    assert run("archive", "--before", DAYS[2], "--to", old) == (0, "0 files were moved.\n")
    assert run("verify")[0] == run("verify", "--archive", old)[0] == 0
    (tmp_path / "old" / f"{DAYS[0]}.jsonl").unlink()
    assert run("verify", "--archive", old)[0] == 1
