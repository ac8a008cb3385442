"""Real processes that are slow, greedy or dead: each costs its own call, and the next one works."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack

import pytest
from werkzeug.exceptions import TooManyRequests

from app.jobs import apart
from app.jobs.apart import PROCESSES, Pool
from app.jobs.callee import KEPT, LATE_S
from data_prep.errors import InputOverLimit, MalformedInput, UnsuitableStudy
from tests.app.jobs import calls
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

MEMORY, SECONDS, SOON_S = 256 << 20, 1.0, 0.5
GENEROUS_S = 60.0


@pytest.fixture(scope="module")
def pool():
    """Processes that may take 256 MB and a second for a call."""
    pool = Pool(MEMORY, SECONDS, preload="tests.app.jobs.calls")
    yield pool
    pool.close()


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_process_answers_one_call_after_another(pool):
    first = pool.call(calls.process_id)
    assert first not in (os.getpid(), None)
    assert pool.call(calls.process_id) == first


def test_many_open_files_arrive_in_order(pool):
    """More than one message can carry, among them files that are still in this process's memory."""
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.SpooledTemporaryFile(100)) for _ in range(300)]
        for number, file in enumerate(files):
            file.write(b"%d" % number)
        assert pool.call(calls.content, 299, files=files) == b"299"
        assert pool.call(calls.lengths, files=files) == sum(len(str(number)) for number in range(300))


def test_what_a_function_raises_is_raised_here(pool):
    with pytest.raises(UnsuitableStudy) as refused:
        pool.call(calls.refuse)
    assert (refused.value.detail, refused.value.kind) == ("No.", "odd-geometry")
    with pytest.raises(IndexError):
        pool.call(calls.content, 3)


@pytest.mark.parametrize(
    ("function", "argument", "error", "says"),
    [
        (calls.wait, 60, InputOverLimit, "more than 1 s"),
        (calls.allocate, 1 << 30, InputOverLimit, "more than 256 MB of memory"),
        (calls.die, 11, MalformedInput, "crashes"),
        (calls.die, 9, MalformedInput, "crashes"),
    ],
)
def test_a_call_that_takes_too_much_costs_itself_only(pool, function, argument, error, says):
    before = pool.call(calls.process_id)
    started = time.monotonic()
    with pytest.raises(error, match=says):
        pool.call(function, argument)
    assert time.monotonic() - started < SECONDS + SOON_S
    assert not lives(before)
    assert pool.call(calls.process_id) != before


def test_an_idle_process_that_died_is_replaced(pool):
    """The next call isn't lost."""
    before = pool.call(calls.process_id)
    os.kill(before, 9)
    time.sleep(0.1)
    assert pool.call(calls.process_id) != before


def test_a_process_that_cannot_start_is_no_fault_of_a_client():
    with pytest.raises(RuntimeError, match="can't start"):
        Pool(MEMORY, SECONDS, preload="no.such.module").call(calls.process_id)


def test_a_process_ends_though_the_service_has_died():
    """By itself, a little later than the service would have ended it."""
    code = (
        "import os, sys; from app.jobs.apart import Pool; from tests.app.jobs import calls\n"
        "pool = Pool(1 << 28, 0.1, 'tests.app.jobs.calls'); print(pool.call(calls.process_id), flush=True)\n"
        "pool._idle[0]._connection.send(((calls.wait, (60,)), 0)); os._exit(0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    deadline = time.monotonic() + LATE_S + 2
    while lives(int(ran.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_process_that_keeps_memory_is_replaced():
    pool = Pool(4 * KEPT, GENEROUS_S, preload="tests.app.jobs.calls")
    before = pool.call(calls.keep, 2 * KEPT)
    assert not lives(before)
    assert pool.call(calls.process_id) != before
    pool.close()


def test_a_call_that_would_wait_too_long_is_refused(pool, monkeypatch):
    monkeypatch.setattr(apart, "WAIT_S", 0.1)
    threads = [threading.Thread(target=pool.call, args=(calls.wait, 0.5)) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    with pytest.raises(TooManyRequests):
        pool.call(calls.process_id)
    for thread in threads:
        thread.join()
    assert pool.call(calls.process_id)


def test_calls_beyond_the_number_of_processes_wait(pool):
    found = []
    threads = [threading.Thread(target=lambda: found.append(pool.call(calls.process_id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) <= PROCESSES
