"""What a person sees of long work: on a terminal, in a log file, on a terminal that can't move its cursor."""

import os
import pty
import re
import subprocess
import sys
import termios
import time

import pytest

from data_prep import progress
from data_prep.progress import Progress, duration, phase, shows_bars, with_progress

WORK = """
import time
from data_prep import progress
from data_prep.workers import Workers

progress.EVERY_S = 0.5
for _ in progress.with_progress(range(3), "evaluating"):
    time.sleep(0.5)
with progress.phase("fitting"):
    time.sleep(1.2)
list(Workers(1).run(abs, range(4000), "preparing"))
"""


def in_a_pipe() -> str:
    return subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True).stderr


def on_a_terminal(term: str) -> str:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen([sys.executable, "-c", WORK], stderr=theirs, env={**os.environ, "TERM": term})
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            part = b""
        if not part:
            break
        said += part
    os.close(ours)
    assert process.wait() == 0
    return said.decode().replace("\r\n", "\n")


@pytest.mark.slow
def test_a_log_file_has_lines_that_come_while_one_item_lasts_and_no_bar():
    said = in_a_pipe()
    assert "\r" not in said
    lines = said.splitlines()
    assert "evaluating: 3 of 3 exams, 2 s" in lines
    assert "fitting: 1 of 1 step, 1 s" in lines
    assert sum(line.startswith("fitting: 0 of 1 step") for line in lines) == 2
    assert len(lines) < 12  # four thousand brief items are no four thousand lines


@pytest.mark.slow
def test_a_terminal_without_a_cursor_is_a_log_file():
    said = on_a_terminal("dumb")
    assert "\r" not in said
    assert "evaluating: 3 of 3 exams, 2 s" in said


@pytest.mark.slow
def test_a_terminal_has_a_bar():
    said = on_a_terminal("xterm")
    assert re.search(r"\revaluating: 100%", said)
    assert "3 of 3 exams" not in said


def test_nothing_is_silent_for_longer_than_a_person_waits():
    assert progress.EVERY_S <= 20


def test_an_error_leaves_no_thread_that_goes_on_telling(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    with pytest.raises(RuntimeError), phase("failing"):
        raise RuntimeError
    capsys.readouterr()
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_work_that_goes_on_says_so_and_a_note_is_told(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    with Progress(10, "predicting", "study", initial=4) as predicting:
        predicting.update()
        predicting.note = "2 failed"
        time.sleep(0.2)
    assert "predicting: 5 of 10 studies, 0 s, 2 failed" in capsys.readouterr().err


def test_items_come_as_they_are():
    assert list(with_progress(["a", "b"], "telling")) == ["a", "b"]
    assert list(with_progress([], "telling")) == []
    assert not shows_bars()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_a_duration_is_read_at_a_glance(seconds, text):
    assert duration(seconds) == text
