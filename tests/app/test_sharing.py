"""Three services with one database and one folder: each study is computed once, also while services are killed.

If CRUCIATE_LONG is set, there are more studies, and more services are killed.
"""

import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest
from sqlalchemy import select

from app.client import STOP_S, RunningService
from app.store.database import Database, Prediction, sqlite_url
from tests import warm
from tests.app.postgres import postgresql
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

LONG = bool(os.environ.get("CRUCIATE_LONG"))
STUDIES, KILLS = (200, 12) if LONG else (40, 2)
SERVICES = 3
SOON_S = 120


class Services:
    """Services that share everything but their ports.

    Attributes:
        database: URL of the database.
        folder: `var` has pixels and answers, `counted.txt` what was computed.
        killed: Process ids of the workers that were killed.
        masters: Process ids of all services that were started.
    """

    def __init__(self, bundle: Path, folder: Path, database: str, **variables: str) -> None:
        self.database, self.folder = database, folder
        self.killed, self.masters = set[int](), set[int]()
        ours = {"CRUCIATE_BUNDLES": str(bundle), "CRUCIATE_DATA": str(folder / "var"), "CRUCIATE_DATABASE": database}
        ours |= {"CRUCIATE_COUNTED": str(folder / "counted.txt"), "CRUCIATE_QUEUE": "1000", "CRUCIATE_API_KEYS": ""}
        self._environment = os.environ | ours | variables
        self._running: list[RunningService] = []

    def start(self) -> int:
        """Start another service. Gives its number."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._running.append(self._started(port))
        return len(self._running) - 1

    def __getitem__(self, number: int) -> RunningService:
        return self._running[number]

    def kill(self, number: int) -> None:
        """As the kernel would that has no memory left: nothing is tidied up."""
        service = self._running[number]
        self.killed |= {int(pid) for pid in _children(service.process.pid)}
        warm.kill(service)

    def restart(self, number: int) -> None:
        """Start a killed service again, on the same port."""
        self._running[number] = self._started(self._running[number].port)

    def stop(self) -> None:
        """Stop all of them as an operator does."""
        for service in self._running:
            service.process.terminate()
        for service in self._running:
            service.process.wait(STOP_S)

    def counted(self) -> list[tuple[str, str, int]]:
        """What was computed: event, id, process id."""
        path = self.folder / "counted.txt"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(event, id_, int(pid)) for event, id_, pid in lines]

    def began(self) -> list[str]:
        """Ids of the computations, in order."""
        return [id_ for event, id_, _ in self.counted() if event == "began"]

    def _started(self, port: int) -> RunningService:
        log = self.folder / f"{port}.log"
        process = warm.service(self._environment | {"PORT": str(port)}, log, "tests.app.counted:create()")
        self.masters.add(process.pid)
        return RunningService(process, port, log)


def _children(pid: int) -> list[str]:
    return [child for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


@contextmanager
def services(count: int, *arguments: object, **variables: str) -> Iterator[Services]:
    """Some services that are ready."""
    with ExitStack() as stack:
        running = Services(*arguments, **variables)
        stack.callback(running.stop)
        for _ in range(count):
            running.start()
        for number in range(count):
            running[number].wait_until_ready()
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "service.db")
    else:
        with postgresql() as url:
            yield url


def post(service: RunningService, body: bytes, **headers: str) -> tuple[int, dict]:
    status, content = service.request("POST", "/v1/predictions", body, {"Content-Type": "application/zip", **headers})
    return status, json.loads(content)


def insist(running: Services, number: int, body: bytes) -> tuple[int, dict]:
    """Send a study as a client does whose service may be killed: until it has been answered."""
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        try:
            status, answer = post(running[number], body)
        except (OSError, HTTPException):
            status = 503
        if status != 503:
            return status, answer
        time.sleep(0.2)
    raise AssertionError("no answer came")


def waiting(running: Services) -> list[str]:
    """The jobs without an answer."""
    database = Database(running.database)
    with database.read() as session:
        found = list(session.scalars(select(Prediction.id).where(Prediction.status.not_in(["done", "failed"]))))
    database.close()
    return found


def disturb(running: Services, over: threading.Event) -> None:
    """Kill services at random while studies are computed, and start them again."""
    chance = random.Random(5)
    order = [number for _ in range(KILLS) for number in chance.sample(range(SERVICES), SERVICES)][:KILLS]
    for kill, number in enumerate(order, start=1):
        while len(running.began()) < STUDIES * kill // (KILLS + 1) and not over.is_set():
            time.sleep(0.01)
        running.kill(number)
        running.restart(number)


def test_each_study_is_computed_once_whoever_is_killed(bundles, database, tmp_path):
    over = threading.Event()
    with services(SERVICES, bundles[0], tmp_path, database) as running, ThreadPoolExecutor(7) as pool:
        disturbed = pool.submit(disturb, running, over)
        studies = [study_zip(seed) for seed in range(STUDIES)]
        sent = [pool.submit(insist, running, number, study) for study in studies for number in range(SERVICES)]
        answers = [one.result() for one in sent]
        over.set()
        disturbed.result()
        assert {(status in (200, 201), answer["status"]) for status, answer in answers} == {(True, "done")}
        ids = [answer["id"] for _, answer in answers]
        assert ids[::SERVICES] == ids[1::SERVICES] == ids[2::SERVICES]
        assert len(set(ids)) == STUDIES
        assert waiting(running) == []
        check_counted(running.counted(), running.killed)
        check_folders(tmp_path / "var" / "predictions", ids)


def check_folders(folder: Path, ids: list[str]) -> None:
    """Every answer has its pixels and maps. Killed processes may have left hidden folders, which are deleted later."""
    found = {path.name: {file.name for file in path.iterdir()} for path in folder.iterdir() if path.name[0] != "."}
    assert found == {id_: {"voxels.npy", "maps.npy"} for id_ in ids}


def check_counted(counted: list[tuple[str, str, int]], killed: set[int]) -> None:
    """Nothing is computed twice, unless the process died with it: then it was the last thing that the process did."""
    last = {pid: id_ for _, id_, pid in counted}
    computed: dict[str, list[int]] = {}
    for event, id_, pid in counted:
        if event == "began":
            computed.setdefault(id_, []).append(pid)
    assert len(computed) == STUDIES
    for id_, pids in computed.items():
        assert all(pid in killed and last[pid] == id_ for pid in pids[:-1]), (id_, pids)
