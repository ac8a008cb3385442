"""Cuts that the trail itself doesn't show, because `head` was rewritten or all was deleted: the database remembers."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from app.audit import record
from app.audit.anchors import Anchors, remembered
from app.audit.verify import verify
from app.store.database import Database, sqlite_url
from tests import warm

GONE = "and the last of them is gone"


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "cruciate.db"))


@pytest.fixture
def anchors(tmp_path, database) -> Anchors:
    """After five lines that are remembered."""
    write(tmp_path, 5)
    anchors = Anchors(database, tmp_path)
    anchors.round()
    return anchors


def write(data: Path, count: int) -> None:
    for number in range(count):
        record(data, "DELETE /v1/predictions/<id>", 200 + number)


def known(data: Path) -> list[int]:
    """How many lines each anchor vouches for."""
    return [one.lines for one in remembered("", data)]


def faults(data: Path) -> tuple[str, ...]:
    return verify(data, remembered("", data)).faults


def file(data: Path) -> Path:
    (path,) = (data / "audit").glob("*.jsonl")
    return path


def cut(data: Path, kept: int) -> None:
    """Cut the end, and let `head` name the new end."""
    lines = file(data).read_bytes().splitlines(keepends=True)[:kept]
    file(data).write_bytes(b"".join(lines))
    digest = hashlib.sha256(lines[-1].rstrip(b"\n")).hexdigest()
    (data / "audit" / "head").write_text(f"{digest} {file(data).name}")


def as_if_of(data: Path, day: str) -> None:
    """The only file, as if it had been written on another day."""
    today, head = file(data), data / "audit" / "head"
    head.write_text(head.read_text().replace(today.name, f"{day}.jsonl"))
    today.rename(today.with_name(f"{day}.jsonl"))


def test_one_anchor_moves_on_with_the_trail(tmp_path, anchors):
    assert known(tmp_path) == [5]
    anchors.round()
    assert known(tmp_path) == [5]
    write(tmp_path, 3)
    anchors.round()
    assert known(tmp_path) == [8]
    assert faults(tmp_path) == ()


def test_it_moves_on_into_the_next_days_file(tmp_path, database):
    write(tmp_path, 2)
    as_if_of(tmp_path, "2000-01-01")
    anchors = Anchors(database, tmp_path)
    anchors.round()
    write(tmp_path, 2)
    anchors.round()
    assert known(tmp_path) == [4]
    assert len(list((tmp_path / "audit").glob("*.jsonl"))) == 2
    assert faults(tmp_path) == ()


def test_a_cut_with_a_rewritten_head_is_seen_for_ever(tmp_path, anchors):
    cut(tmp_path, 3)
    assert verify(tmp_path).faults == ()  # the trail alone doesn't show it
    assert [GONE in fault for fault in faults(tmp_path)] == [True]
    write(tmp_path, 2)
    anchors.round()
    assert known(tmp_path) == [5, 5]
    write(tmp_path, 2)
    anchors.round()
    assert known(tmp_path) == [5, 7]
    assert [GONE in fault for fault in faults(tmp_path)] == [True]


def test_lines_that_were_not_remembered_yet_may_go(tmp_path, anchors):
    """What is lost without being seen is at most what was written since the last round."""
    write(tmp_path, 1)
    cut(tmp_path, 5)
    assert faults(tmp_path) == ()


def test_a_chain_that_was_written_anew_is_seen(tmp_path, anchors):
    shutil.rmtree(tmp_path / "audit")
    assert [GONE in fault for fault in faults(tmp_path)] == [False, True]
    anchors.round()  # there is nothing to remember
    write(tmp_path, 9)
    assert verify(tmp_path).faults == ()
    assert [GONE in fault for fault in faults(tmp_path)] == [True]
    anchors.round()
    assert known(tmp_path) == [5, 9]


def test_an_edit_before_the_anchor_and_behind_it_is_not_covered_up(tmp_path, anchors):
    write(tmp_path, 3)
    content = file(tmp_path).read_bytes()
    file(tmp_path).write_bytes(content.replace(b'"outcome": 201', b'"outcome": 299', 2))
    anchors.round()
    assert known(tmp_path) == [5, 8]  # the chain breaks behind the first one
    assert len(faults(tmp_path)) == 2


def test_two_processes_remember_one_trail(tmp_path, database, anchors):
    other = Anchors(Database(sqlite_url(tmp_path / "cruciate.db")), tmp_path)
    for _ in range(3):
        write(tmp_path, 2)
        anchors.round()
        other.round()
        write(tmp_path, 1)
        other.round()
    assert known(tmp_path) == [14]
    assert faults(tmp_path) == ()


def test_the_rest_of_a_line_is_not_remembered_and_no_end(tmp_path, anchors):
    content = file(tmp_path).read_bytes()
    file(tmp_path).write_bytes(content + b'{"when": "20')
    anchors.round()
    file(tmp_path).write_bytes(content)
    write(tmp_path, 1)
    anchors.round()
    assert known(tmp_path)[-1] == 6
    assert faults(tmp_path) == ()


@pytest.mark.slow
def test_the_command_asks_the_database(tmp_path, database, anchors):
    def run(**variables: str) -> tuple[int, str]:
        environment = os.environ | {"CRUCIATE_DATA": str(tmp_path), "CRUCIATE_DATABASE": ""} | variables
        done = warm.run("-m", "app.audit", "verify", environment=environment)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    database.close()
    status, said = run()
    assert (status, "remembers 5 lines" in said) == (0, True)
    cut(tmp_path, 3)
    status, said = run()
    assert (status, GONE in said) == (1, True)
    status, said = run(CRUCIATE_DATABASE="postgresql://user:Qu1bble@127.0.0.1:9/x")
    assert (status, "can't be asked" in said, "Qu1bble" in said) == (2, True, False)
    (tmp_path / "cruciate.db").unlink()
    status, said = run()
    assert (status, "No database remembers" in said) == (0, True)
    assert not (tmp_path / "cruciate.db").exists()
