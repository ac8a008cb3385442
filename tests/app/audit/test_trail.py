"""The chain: whole after ordinary use, broken at the place that somebody touched."""

import hashlib
import json
import os
import re
import resource
import signal
from pathlib import Path

import pytest

from app.audit import record, tells, trail
from app.audit.verify import verify
from tests import warm

WRITER = "import sys; from pathlib import Path; from app.audit import record\n" + (
    "for number in range(50): record(Path(sys.argv[1]), 'GET /v1/predictions', number, key='pacs')"
)


@pytest.fixture
def data(tmp_path) -> Path:
    """A data folder with a trail of five lines."""
    for number in range(5):
        record(tmp_path, "DELETE /v1/predictions/<id>", 200 + number, key="pacs", address="192.0.2.1")
    return tmp_path


def file(data: Path) -> Path:
    (path,) = (data / "audit").glob("*.jsonl")
    return path


def lines(data: Path) -> list[bytes]:
    return file(data).read_bytes().splitlines(keepends=True)


def rewrite(data: Path, changed: list[bytes]) -> None:
    file(data).write_bytes(b"".join(changed))


def test_a_line_says_who_what_when_and_with_which_outcome(tmp_path):
    record(
        tmp_path, "POST /v1/predictions", 201, key="pacs", study="2.25.7", prediction="ab", bundle="demo", sha256="cd"
    )
    (line,) = lines(tmp_path)
    content = json.loads(line)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", content.pop("when"))
    assert content.pop("study") == hashlib.sha256(b"2.25.7").hexdigest()
    assert content == {
        "what": "POST /v1/predictions",
        "outcome": 201,
        "key": "pacs",
        "prediction": "ab",
        "bundle": "demo",
        "sha256": "cd",
        "before": "0" * 64,
    }
    assert b"2.25.7" not in line


def test_only_the_owner_reads_it(data, tmp_path):
    record(tmp_path / "new", "key created", "done")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (data / "audit").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (data / "audit").iterdir()} == {0o600}


def test_an_untouched_chain_is_whole(data):
    verdict = verify(data)
    assert (verdict.lines, verdict.faults) == (5, ())


@pytest.mark.parametrize("number", [0, 2, 4])
def test_an_edit_is_seen(data, number):
    changed = lines(data)
    changed[number] = changed[number].replace(b"192.0.2.1", b"192.0.2.9")
    rewrite(data, changed)
    (fault,) = verify(data).faults
    assert f"line {number + 2} doesn't follow" in fault if number < 4 else "last lines" in fault


@pytest.mark.parametrize("number", [0, 2])
def test_a_line_that_was_removed_is_seen(data, number):
    kept = lines(data)
    del kept[number]
    rewrite(data, kept)
    (fault,) = verify(data).faults
    assert f"line {number + 1} doesn't follow" in fault


def test_an_inserted_line_is_seen(data):
    here = lines(data)
    rewrite(data, [*here[:2], here[1], *here[2:]])
    assert ["line 3 doesn't follow" in fault for fault in verify(data).faults] == [True]


def test_two_exchanged_lines_are_seen(data):
    first, second, third, *rest = lines(data)
    rewrite(data, [first, third, second, *rest])
    assert len(verify(data).faults) == 3


@pytest.mark.parametrize("kept", [0, 2, 4])
def test_a_cut_at_the_end_is_seen_and_stays_visible(data, kept):
    rewrite(data, lines(data)[:kept])
    assert "last lines" in verify(data).faults[0]
    record(data, "GET /v1/predictions", 200)
    assert verify(data).faults == (
        f"{file(data).name}, line {kept + 1} doesn't follow the line before it: "
        + ("that one was changed or removed."),
    )


def test_files_that_were_removed_are_seen(data):
    file(data).unlink()
    assert len(verify(data).faults) == 1
    record(data, "GET /v1/predictions", 200)
    assert len(verify(data).faults) == 1
    assert "no file" in verify(data / "elsewhere").faults[0]


def test_the_chain_goes_on_in_the_next_days_file_and_when_the_clock_is_set_back(data):
    today, head = file(data), data / "audit" / "head"

    def as_if_of(day: str) -> Path:
        head.write_text(head.read_text().replace(today.name, day))
        return today.rename(today.with_name(day))

    yesterday = as_if_of("2000-01-01.jsonl")
    record(data, "GET /v1/predictions", 200)
    tomorrow = as_if_of("9999-01-01.jsonl")
    record(data, "GET /v1/predictions", 200)
    assert [path.name for path in trail.files(data / "audit")] == [yesterday.name, tomorrow.name]
    assert (verify(data).lines, verify(data).faults) == (7, ())


def test_a_process_that_ended_between_line_and_head_breaks_nothing(data):
    head = data / "audit" / "head"
    before = head.read_bytes()
    record(data, "GET /v1/predictions", 200)
    head.write_bytes(before)
    assert verify(data).faults == ()
    record(data, "GET /v1/predictions", 200)
    assert (verify(data).lines, verify(data).faults) == (7, ())


def test_a_process_that_ended_before_it_had_named_a_new_file_breaks_nothing(data):
    today, head = file(data), data / "audit" / "head"
    today.rename(today.with_name("2000-01-01.jsonl"))
    before = head.read_bytes().replace(today.name.encode(), b"2000-01-01.jsonl")
    head.write_bytes(before)
    record(data, "GET /v1/predictions", 200)
    head.write_bytes(before)
    record(data, "GET /v1/predictions", 200)
    assert (verify(data).lines, verify(data).faults) == (7, ())


@pytest.mark.parametrize("content", [b"", b"\xff", b"0" * 64 + b" ../../elsewhere.jsonl", b"0" * 64])
def test_a_head_that_was_changed_is_seen_and_leads_nowhere(data, content):
    (data / "audit" / "head").write_bytes(content)
    assert len(verify(data).faults) == 1
    record(data, "GET /v1/predictions", 200)
    assert len(lines(data)) == 6
    assert len(verify(data).faults) == 1


def test_half_a_line_is_named_and_the_chain_goes_on(data):
    rewrite(data, [b"".join(lines(data))[:-30]])
    record(data, "GET /v1/predictions", 200)
    record(data, "GET /v1/predictions", 200)
    faults = verify(data).faults
    assert "line 5 isn't a line" in faults[0]
    assert len(lines(data)) == 7
    assert len(faults) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"[]\n", b"{}\n", b"\n"])
def test_what_is_no_line_is_named(data, content):
    rewrite(data, [*lines(data)[:2], content, *lines(data)[2:]])
    assert "line 3 isn't a line" in verify(data).faults[0]


@pytest.mark.slow
def test_processes_write_at_one_time(data):
    writers = [warm.Forked(["-c", WRITER, str(data)]) for _ in range(3)]
    while any(writer.poll() is None for writer in writers):
        assert verify(data).faults == ()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert (verify(data).lines, verify(data).faults) == (155, ())


def full_disk(data: Path) -> None:
    """From here on, no file of this process can grow: a real refusal by the operating system."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file(data).stat().st_size + 40, resource.RLIM_INFINITY))


def test_a_line_that_cannot_be_written_raises_nothing_and_is_counted(data, caplog):
    before = lines(data)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    try:
        full_disk(data)
        for _ in range(3):
            record(data, "GET /v1/predictions", 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert lines(data) == before
    assert caplog.text.count("a line of the audit couldn't be written") == 3
    record(data, "GET /v1/predictions", 200)
    record(data, "GET /v1/predictions", 200)
    assert [json.loads(line).get("lost") for line in lines(data)[-2:]] == [3, None]
    assert verify(data).faults == ()


@pytest.mark.slow
def test_the_command_says_where_it_breaks(data):
    def run() -> tuple[int, str]:
        environment = os.environ | {"CRUCIATE_DATA": str(data)}
        done = warm.run("-m", "app.audit", "verify", environment=environment)
        return done.returncode, done.stdout

    status, said = run()
    assert (status, "5 lines" in said, "The chain is whole." in said) == (0, True, True)
    rewrite(data, lines(data)[1:])
    status, said = run()
    assert (status, "line 1 doesn't follow" in said) == (1, True)


def test_a_trail_that_begins_anew_is_told(tmp_path, caplog):
    record(tmp_path, "key created", "done")
    assert "a new audit trail begins" in caplog.text
    caplog.clear()
    record(tmp_path, "GET /x", 200)
    assert not caplog.text
    assert tells(tmp_path, "key created") is True
    assert tells(tmp_path, "key revoked") is False
    assert tells(tmp_path / "nowhere", "key created") is None
