"""A real service and its data folder: another database, other users, a kill, a full disk, files that stay."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from app.client import RunningService, serving
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels

pytestmark = pytest.mark.slow

SOON_S = 60
# Three studies of 14 instances.
STUDIES = {f"2.25.7{number}": instances(voxels(number), f"2.25.7{number}", f"2.25.8{number}") for number in range(3)}
ZIP = {"Content-Type": "application/zip"}
QUIET = {"CRUCIATE_QUIET_S": "3600"}


def send(service: RunningService, files: list[bytes]) -> int:
    return service.request("POST", "/dicom-web/studies", body(files), {"Content-Type": RELATED})[0]


def files_in(folder: Path) -> list[Path]:
    """The DICOM files that are stored, without what is kept beside them."""
    return sorted(path for path in (folder / "instances").glob("[!.]*/*") if path.is_file() and not path.suffix)


def refused(bundle: Path, scratch: Path, **variables: str) -> str:
    """What a service says that doesn't start."""
    with serving(bundle, scratch, **variables) as service:
        assert service.process.wait(SOON_S) != 0
        log = service.log.read_text()
    assert "Traceback" not in log
    assert "2.25." not in log
    return log


@contextmanager
def umask(mask: int) -> Iterator[None]:
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    if subprocess.run(["chattr", "+i", path], check=False, capture_output=True).returncode:
        pytest.skip("files can't be made immutable here")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


def test_another_database_deletes_nothing_and_is_refused(bundles, tmp_path):
    """42 files are received; the service is started with an empty database, then with its own again."""
    data = tmp_path / "var"
    with umask(0o022):
        data.mkdir(mode=0o755)
        with serving(bundles[0], tmp_path, **QUIET) as service:
            service.wait_until_ready()
            assert [send(service, files) for files in STUDIES.values()] == [200] * 3
            assert (
                service.request("POST", "/v1/predictions", study_zip(), {"Content-Type": "application/zip"})[0] == 201
            )
            assert [path.name for path in data.rglob("*") if path.stat().st_mode & 0o077] == []
            assert data.stat().st_mode & 0o777 == 0o700
        before = {
            path: path.read_bytes() for path in data.rglob("*") if path.suffix == ".npy" or path in files_in(data)
        }
        assert len(files_in(data)) == 42
        log = refused(bundles[0], tmp_path, CRUCIATE_DATABASE=f"sqlite:///{tmp_path / 'empty.db'}")
        assert "42 of 43 files have no row" in log or "43 of 43 files have no row" in log
        assert "python -m app.store check --repair" in log
        assert {path: path.read_bytes() for path in before} == before
        with serving(bundles[0], tmp_path, **QUIET) as service:
            service.wait_until_ready()
            for study in STUDIES:
                assert service.request("GET", f"/dicom-web/studies/{study}")[0] == 200
            assert [send(service, files) for files in STUDIES.values()] == [200] * 3


def test_somebody_elses_folder_ends_the_start(bundles, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    (tmp_path / "var").mkdir()
    os.chown(tmp_path / "var", 12345, 12345)
    assert "belongs to another user" in refused(bundles[0], tmp_path)


@pytest.fixture(scope="module")
def running(bundles, tmp_path_factory) -> Iterator[tuple[RunningService, Path]]:
    """A service and its data folder. It was killed before while it received a file."""
    scratch = tmp_path_factory.mktemp("service")
    with serving(bundles[0], scratch, **QUIET) as service:
        service.wait_until_ready()
        large = body(instances(np.zeros((4, 1200, 1000), np.uint16)))  # read in pieces of a megabyte
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {RELATED}\r\nContent-Length: {len(large)}"
        with socket.create_connection(("127.0.0.1", service.port)) as sender:
            sender.sendall(f"{head}\r\n\r\n".encode() + large[:-200])
            deadline = time.monotonic() + SOON_S
            while not unfinished(scratch / "var"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            os.killpg(service.process.pid, signal.SIGKILL)
    assert unfinished(scratch / "var")
    with serving(bundles[0], scratch, **QUIET) as service:
        service.wait_until_ready()
        yield service, scratch / "var"


def unfinished(data: Path) -> list[Path]:
    return [path for path in (data / "instances" / ".incoming").rglob("*") if path.is_file() and path.name != ".lock"]


def test_what_a_killed_service_was_receiving_is_deleted_at_the_next_start(running):
    service, data = running
    assert unfinished(data) == []
    assert send(service, STUDIES["2.25.70"]) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files immutable")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_study_that_cannot_be_deleted_is_a_problem_with_a_sentence(running, what):
    service, data = running
    assert send(service, STUDIES["2.25.71"]) == 200
    folder = data / "instances" / "2.25.71"
    with immutable(folder if what == "folder" else next(folder.iterdir())):
        status, problem = service.request("DELETE", "/dicom-web/studies/2.25.71")
    assert status == 503
    assert "delete again" in json.loads(problem)["detail"]
    assert service.request("DELETE", "/dicom-web/studies/2.25.71")[0] == 204
    assert not folder.exists()


@pytest.mark.parametrize("start", [b"\x7fELF\x02\x01\x01", b"MZ\x90\x00"])
def test_a_preamble_that_is_a_program_does_not_come_back(running, start):
    service, _ = running
    study = f"2.25.9{start[0]}"
    (file,) = instances(voxels()[:1], study, f"{study}.1")
    assert send(service, [start.ljust(128, b"x") + file[128:]]) == 200
    for accept in ('multipart/related; type="application/dicom"; transfer-syntax=*', "*/*"):
        status, content = service.request("GET", f"/dicom-web/studies/{study}", headers={"Accept": accept})
        assert status == 200
        assert start not in content
        assert b"\r\n\r\n" + bytes(128) + b"DICM" in content


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("a disk can't be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    file = os.open(disk / "filling", os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(file, bytes(4096))
    except OSError:
        os.close(file)


def test_deletion_works_on_a_full_disk(bundles, tmp_path, small_disk):
    """Of a prediction, of one that failed and has no file, and of a study."""
    with serving(
        bundles[0], tmp_path, CRUCIATE_DATA=str(small_disk / "var"), CRUCIATE_RESERVE_MB="0", **QUIET
    ) as service:
        service.wait_until_ready()
        assert send(service, STUDIES["2.25.70"]) == 200
        assert send(service, instances(voxels()[:2], "2.25.99", "2.25.98")) == 200  # too few to predict on
        headers = {"Content-Type": "application/json"}
        assert service.request("POST", "/v1/predictions", b'{"study_uid": "2.25.99"}', headers)[0] == 422
        found = json.loads(service.ask("GET", "/v1/predictions?study_uid=2.25.99"))
        answer = service.ask("POST", "/v1/predictions", study_zip(), ZIP)
        fill(small_disk)
        assert service.request("DELETE", f"/v1/predictions/{found['predictions'][0]['id']}")[0] == 204
        fill(small_disk)
        assert service.request("DELETE", f"/v1/predictions/{json.loads(answer)['id']}")[0] == 204
        fill(small_disk)
        assert service.request("DELETE", "/dicom-web/studies/2.25.70")[0] == 204
    assert {path.parent.name for path in files_in(small_disk / "var")} == {"2.25.99"}
