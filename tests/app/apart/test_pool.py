"""Real processes that are slow, greedy or dead: each costs its own call, and the next one works."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from werkzeug.exceptions import BadRequest, NotFound, ServiceUnavailable, TooManyRequests

from app.apart import pool as pools
from app.apart.callee import FILE_BYTES, KEPT, LATE_S
from app.apart.messages import Failed
from app.apart.pool import PROCESSES, Pool
from data_prep.errors import InputOverLimit, MalformedInput, UnsuitableStudy
from tests.app.apart import calls
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

MEMORY, SECONDS, SOON_S = 256 << 20, 1.0, 0.5
GENEROUS_S = 60.0


@pytest.fixture(scope="module", params=[True, False], ids=["copied", "kept"])
def pool(request):
    """Processes that may take 256 MB and a second for a call."""
    pool = Pool(MEMORY, SECONDS, preload="tests.app.apart.calls", copied=request.param)
    yield pool
    pool.close()


def lives(process: int) -> bool:
    """Whether it runs. What is left of one that has ended, until somebody asks how, doesn't count."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_process_answers_one_call_after_another(pool):
    first = pool.call(int, calls.parent_id)
    assert first not in (os.getpid(), None)
    assert pool.call(int, calls.parent_id) == first


def test_each_call_has_a_copy_of_its_own_if_it_may_be_taken_over():
    """A copy that stays alive after its answer gets nothing of later calls, and is gone before they begin."""
    pool = Pool(MEMORY, GENEROUS_S, preload="tests.app.apart.calls")
    first = pool.call(int, calls.process_id)
    assert pool.call(int, calls.process_id) != first
    assert not lives(first)
    staying = pool.call(int, calls.stay)
    assert lives(staying)
    assert pool.call(int, calls.process_id) not in (first, staying)
    assert not lives(staying)
    pool.close()


def test_many_open_files_arrive_in_order(pool):
    """More than one message can carry, among them files that are still in this process's memory."""
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.SpooledTemporaryFile(100)) for _ in range(300)]
        for number, file in enumerate(files):
            file.write(b"%d" % number)
        assert pool.call(str, calls.content, 299, files=files) == "299"
        assert pool.call(int, calls.lengths, files=files) == sum(len(str(number)) for number in range(300))


def test_what_a_function_raises_is_raised_here(pool):
    with pytest.raises(UnsuitableStudy) as refused:
        pool.call(int, calls.refuse)
    assert (refused.value.detail, refused.value.kind) == ("No.", "odd-geometry")
    with pytest.raises(OSError, match=rf"\[Errno {errno.ENOSPC}\]"):
        pool.call(int, calls.fill)
    with pytest.raises(NotFound, match="deleted"):
        pool.call(int, calls.miss)
    with pytest.raises(BadRequest, match="fewer"):
        pool.call(int, calls.ask)
    with pytest.raises(Failed) as failed:
        pool.call(str, calls.content, 3)
    assert not str(failed.value)


@pytest.mark.parametrize(
    ("function", "argument", "error", "says"),
    [
        (calls.work, 60, InputOverLimit, "more than 1 s"),
        (calls.wait, 60, ServiceUnavailable, "was stopped, or this machine is too busy"),
        (calls.die, signal.SIGSTOP, ServiceUnavailable, "was stopped, or this machine is too busy"),
        (calls.allocate, 1 << 30, InputOverLimit, "more than 256 MB of memory"),
        (calls.die, 11, MalformedInput, "crashes"),
        (calls.die, 9, ServiceUnavailable, "was killed"),
    ],
)
def test_a_call_that_takes_too_much_costs_itself_only(pool, monkeypatch, function, argument, error, says):
    monkeypatch.setattr(pools, "WORKED", 0.05)  # the machine may be busy
    before = pool.call(int, calls.process_id)
    started = time.monotonic()
    with pytest.raises(error, match=says):
        pool.call(int, function, argument)
    assert time.monotonic() - started < SECONDS + SOON_S
    assert not lives(before)
    assert pool.call(int, calls.process_id) != before


def test_a_process_that_is_stopped_is_given_up_long_before_its_time_is_over(monkeypatch):
    monkeypatch.setattr(pools, "STALLED_S", 1.0)
    monkeypatch.setattr(pools, "LOOK_S", 0.1)
    pool = Pool(MEMORY, GENEROUS_S, preload="tests.app.apart.calls")
    started = pool.call(int, calls.parent_id)
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="was stopped"):
        pool.call(int, calls.die, signal.SIGSTOP)
    assert time.monotonic() - begun < GENEROUS_S / 2
    assert not lives(started)
    pool.call(type(None), calls.work, 2)  # one that works has all of its time
    pool.close()


def test_a_file_that_a_call_writes_has_a_limit(pool):
    with tempfile.TemporaryFile() as out:
        pool.call(type(None), calls.write, FILE_BYTES, files=[out])
        with pytest.raises(InputOverLimit, match="more than 512 MB of disk"):
            pool.call(type(None), calls.write, FILE_BYTES + 1, files=[out])
        assert os.fstat(out.fileno()).st_size == FILE_BYTES


def test_an_idle_process_that_died_is_replaced(pool):
    """The next call isn't lost."""
    before = pool.call(int, calls.parent_id)
    os.kill(before, 9)
    time.sleep(0.1)
    assert pool.call(int, calls.parent_id) != before


def test_a_process_that_cannot_start_is_no_fault_of_a_client():
    with pytest.raises(ServiceUnavailable, match="can't be read now"):
        Pool(MEMORY, SECONDS, preload="no.such.module").call(int, calls.process_id)


@pytest.mark.parametrize("copied", [True, False])
def test_a_process_ends_though_the_service_has_died(copied):
    """By itself, a little later than the service would have ended it."""
    code = (
        "import os, sys, threading, time; from app.apart.pool import Pool; from tests.app.apart import calls\n"
        f"pool = Pool(1 << 28, 0.5, 'tests.app.apart.calls', copied={copied})\n"
        "print(pool.call(int, calls.parent_id), flush=True)\n"
        "threading.Thread(target=pool.call, args=(int, calls.wait, 60), daemon=True).start()\n"
        "time.sleep(0.1); os._exit(0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    deadline = time.monotonic() + LATE_S + 2
    while lives(int(ran.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_process_that_keeps_memory_is_replaced():
    pool = Pool(4 * KEPT, GENEROUS_S, preload="tests.app.apart.calls", copied=False)
    before = pool.call(int, calls.keep, 2 * KEPT)
    assert not lives(before)
    assert pool.call(int, calls.process_id) != before
    pool.close()


def test_few_calls_wait_long_and_the_others_are_refused_soon():
    pool = Pool(MEMORY, GENEROUS_S, preload="tests.app.apart.calls", wait_s=1.5, crowded_s=0.2)
    pool.call(int, calls.process_id)
    refused = []

    def call(seconds: float) -> None:
        started = time.monotonic()
        try:
            pool.call(type(None), calls.wait, seconds)
        except TooManyRequests:
            refused.append(time.monotonic() - started)

    threads = [threading.Thread(target=call, args=(4.0 if number < PROCESSES else 0.0,)) for number in range(8)]
    for number, thread in enumerate(threads):
        thread.start()
        if number < PROCESSES:
            time.sleep(0.1)
    for thread in threads[PROCESSES:]:
        thread.join()
    soon = sorted(refused)[: 8 - 2 * PROCESSES]
    assert len(refused) == 8 - PROCESSES
    assert max(soon) < 1.5
    assert min(sorted(refused)[8 - 2 * PROCESSES :]) >= 1.5
    for thread in threads:
        thread.join()
    assert pool.call(int, calls.process_id)
    pool.close()


def test_calls_beyond_the_number_of_processes_wait(pool):
    found = []
    threads = [threading.Thread(target=lambda: found.append(pool.call(int, calls.parent_id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) <= PROCESSES
