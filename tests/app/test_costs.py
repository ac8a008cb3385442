"""Small bodies that would cost much, sent to a real service: memory, seconds and disk that each of them costs."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from app.apart.processor import used_s
from app.client import RunningService, serving
from tests.app.attacks import HEADERS, ICON, ITEM, PIXELS, SPACINGS, sequence, with_elements
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_readers")]

ZIP, STOW = {"Content-Type": "application/zip"}, {"Content-Type": RELATED}
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
    lasting = {process for process in before if not _is_copy(process)}
    with _watched(service) as peaks:
        yield
    took, after = time.monotonic() - started, _peaks(service)
    peaks |= after
    # A process that lives for one call only is a copy of one that was there.
    grown = sum(max(peak - before.get(process, min(before.values())), 0) for process, peak in peaks.items()) >> 10
    assert lasting <= set(after), "a process died"
    assert took < seconds
    assert grown < MEMORY_MB
    assert (_kept(service) - kept) >> 20 < DISK_MB


@contextmanager
def _watched(service: RunningService) -> Iterator[dict[str, int]]:
    """The peaks of all processes that live while the block runs."""
    over, found = threading.Event(), dict[str, int]()

    def watch() -> None:
        while not over.wait(0.05):
            for process, peak in _peaks(service).items():
                found[process] = max(peak, found.get(process, 0))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _peaks(service: RunningService, reset: bool = False) -> dict[str, int]:
    """The most memory that each of the service's processes has taken, in kB."""
    peaks = {}
    for process in _processes(service):
        with suppress(OSError, KeyError):  # it has just ended
            if reset:
                (process / "clear_refs").write_text("5")
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            peaks[process.name] = int(status["VmHWM"].split()[0])
    return peaks


def _is_copy(process: str) -> bool:
    """Whether a process lives for one call only: it is a child of one that reads what clients send."""
    with suppress(OSError):
        parent = (Path("/proc") / process / "stat").read_text().rpartition(")")[2].split()[1]
        return b"app.apart.callee" in (Path("/proc") / parent / "cmdline").read_bytes()
    return True  # it has ended already


def _worked_apart_s(service: RunningService) -> float:
    """Seconds of a processor that processes have used that read what clients send."""
    apart = (one for one in _processes(service) if b"app.apart.callee" in (one / "cmdline").read_bytes())
    return sum(used_s(int(process.name)) or 0 for process in apart)


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


def test_headers_of_instances_that_are_stored_are_not_read_in_the_service(service):
    """The most elements for their bytes, in two requests at one time."""
    (file,) = instances(voxels())[:1]
    sent = body([with_elements(file, sequence(ICON, 700_000 * ITEM), 0x0009)])
    assert service.request("POST", "/dicom-web/studies", body([file]), STOW)[0] == 200  # everything has started
    apart_s = _worked_apart_s(service)
    threads = [
        threading.Thread(target=service.request, args=("POST", "/dicom-web/studies", sent, STOW)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert service.request("GET", "/healthz")[0] == 200
        time.sleep(0.1)
    assert _worked_apart_s(service) - apart_s > 0.3  # it takes a second or two on a usual machine


def test_the_next_study_works(service):
    assert post(service, study_zip(9))[0] == 201


def test_a_study_is_read_though_the_processes_that_read_studies_were_killed(service):
    readers = [process for process in _processes(service) if b"app.apart.callee" in (process / "cmdline").read_bytes()]
    assert 1 <= len(readers) <= 12  # three pools of two, each with a copy for the call
    for process in readers:
        os.kill(int(process.name), signal.SIGKILL)
    assert post(service, study_zip(10))[0] == 201
