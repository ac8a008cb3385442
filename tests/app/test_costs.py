"""Small bodies that would cost much, sent to a real service: memory, seconds and disk that each of them costs."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.client import RunningService, serving
from tests.app.attacks import HEADERS, PIXELS, SPACINGS
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

ZIP = {"Content-Type": "application/zip"}
# What one body may cost; machines are slow at times.
SECONDS, MEMORY_MB, DISK_MB = 10.0, 200, 1
# How long a health check may take meanwhile.
HEALTHY_S = 5.0


@pytest.fixture(scope="module")
def service(bundles, tmp_path_factory) -> Iterator[RunningService]:
    with serving(bundles[0], tmp_path_factory.mktemp("service")) as service:
        service.wait_until_ready()
        assert service.request("POST", "/v1/predictions", study_zip(), ZIP)[0] == 201
        yield service


@contextmanager
def costing(service: RunningService, seconds: float = SECONDS) -> Iterator[None]:
    """Fails if the block makes the service take much memory, time or disk."""
    before, kept, started = _peaks(service, reset=True), _kept(service), time.monotonic()
    yield
    took, after = time.monotonic() - started, _peaks(service)
    grown = sum(max(peak - before.get(process, 0), 0) for process, peak in after.items()) >> 10
    assert set(before) <= set(after), "a process died"
    assert took < seconds
    assert grown < MEMORY_MB
    assert (_kept(service) - kept) >> 20 < DISK_MB


def _peaks(service: RunningService, reset: bool = False) -> dict[str, int]:
    """The most memory that each of the service's processes has taken, in kB."""
    peaks = {}
    for process in _processes(service):
        if reset:
            (process / "clear_refs").write_text("5")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        peaks[process.name] = int(status["VmHWM"].split()[0])
    return peaks


def _processes(service: RunningService) -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
        except OSError:
            continue
        if group == service.process.pid:
            yield process


def _kept(service: RunningService) -> int:
    folder = service.log.parent / "var"
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def post(service: RunningService, body: bytes) -> tuple[int, dict]:
    status, content = service.request("POST", "/v1/predictions", body, ZIP)
    return status, json.loads(content)


@pytest.mark.parametrize("name", SPACINGS)
def test_a_geometry_that_is_no_knees_is_refused_with_its_numbers(service, name):
    body, sentence = SPACINGS[name]
    sent = body()
    with costing(service):
        status, problem = post(service, sent)
    assert (status, problem["title"]) == (422, "Unsuitable study"), problem
    assert sentence in problem["detail"]


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_costs_little(service, name):
    body, expected = HEADERS[name]
    sent = body()
    with costing(service):
        status, problem = post(service, sent)
    assert status == expected, problem


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_cost_little(service, name):
    body, expected = PIXELS[name]
    sent = body()
    assert len(sent) < 60_000
    with costing(service):
        status, problem = post(service, sent)
    assert status == expected, problem


def test_health_checks_are_answered_while_costly_bodies_are_read(service):
    """Eight at one time, which take seconds in all."""
    sent = HEADERS["60,000 private elements"][0]()
    threads = [threading.Thread(target=post, args=(service, sent)) for _ in range(8)]
    with costing(service, seconds=30):
        for thread in threads:
            thread.start()
        slowest = 0.0
        while any(thread.is_alive() for thread in threads):
            started = time.monotonic()
            assert service.request("GET", "/healthz")[0] == 200
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < HEALTHY_S


def test_the_next_study_works(service):
    assert post(service, study_zip(9))[0] == 201


def test_a_study_is_read_though_the_processes_that_read_studies_were_killed(service):
    readers = [process for process in _processes(service) if b"app.jobs.callee" in (process / "cmdline").read_bytes()]
    assert 1 <= len(readers) <= 2
    for process in readers:
        os.kill(int(process.name), signal.SIGKILL)
    assert post(service, study_zip(10))[0] == 201
