"""Workers, masters, decoding processes and whole services are killed under load: no study is lost, none is doubled.

Clients send studies by POST and by STOW-RS. One whose connection breaks, or that is asked to come later, sends again: a
study counts as accepted when it was answered with 2xx. A kill may let a study be computed twice; doubled means a second
id, a second answer, or a second set of results. If CRUCIATE_LONG is set, a hundred processes are killed, in ten rounds,
on SQLite and on PostgreSQL.
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from app.apart.callee import __file__ as CALLEE
from app.audit.verify import verify
from app.client import RunningService, ServiceError
from app.store.database import Database, Delivery, Instance, Prediction, Study, sqlite_url
from tests import warm
from tests.app.dicomweb.messages import RELATED, body
from tests.app.postgres import postgresql
from tests.app.studies import instances, voxels, zipped
from tests.app.test_sharing import Services, _children, services

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_readers")]

LONG = bool(os.environ.get("CRUCIATE_LONG"))
ROUNDS, KILLS = (10, 10) if LONG else (1, 5)
CLIENTS = 3
# Studies differ in their UIDs; this many have pixels of their own.
PIXELS = 12
# Seconds. A process that has lost its parent ends within the first; answers and deliveries come within the second. A
# delivery during which processes were killed four times waits for 240 s before the next try.
ORPHAN_S, SOON_S = 45.0, 600.0
# Results of a prediction beside its study: report, parametric map, key image.
RESULTS = 3
AGAIN = {429, 503}
QUIET = {"CRUCIATE_QUIET_S": "1", "CRUCIATE_RESERVE_MB": "0", "CRUCIATE_RESULTS": "sr,map,key-image"}


def files(number: int) -> list[bytes]:
    """Study 2.25.1000 and so on."""
    return instances(voxels(number % PIXELS), study=f"2.25.{1000 + number}", series=f"2.25.{1000 + number}.1")


class Load:
    """Clients that send one study after another.

    Attributes:
        posted, stored: Numbers of the studies that were accepted by POST and by STOW-RS.
        refused: What was answered otherwise; nothing should be.
        again: How often something was sent again.
    """

    def __init__(self, service: Callable[[], RunningService]) -> None:
        self._service = service
        self._numbers, self._over = count(), threading.Event()
        self.posted, self.stored = dict[int, dict](), list[int]()
        self.refused, self.again = list[tuple[int, int, bytes]](), 0
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._clients = [self._pool.submit(self._go) for _ in range(CLIENTS)]

    def stop(self) -> None:
        """Let each client finish its study."""
        self._over.set()
        for client in self._clients:
            client.result()

    def _go(self) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            if number % 3:
                content = self._insist(number, "/v1/predictions", zipped(files(number)), "application/zip")
                self.posted[number] = json.loads(content)
            else:
                self._insist(number, "/dicom-web/studies", body(files(number)), RELATED)
                self.stored.append(number)

    def _insist(self, number: int, path: str, content: bytes, content_type: str) -> bytes:
        while True:
            with suppress(OSError, HTTPException):
                status, answer = self._service().request("POST", path, content, {"Content-Type": content_type})
                if 200 <= status < 300:
                    return answer
                if status not in AGAIN:
                    self.refused.append((number, status, answer))
            self.again += 1
            time.sleep(0.2)


class Killer:
    """Kills processes of a service at random moments.

    Attributes:
        killed: How often each kind was killed.
        orphans_s: How long workers and decoding processes lived on without their master.
    """

    KINDS = ("worker", "master", "decoder", "tree")

    def __init__(self, running: Services, chance: random.Random) -> None:
        self._running, self._chance = running, chance
        self.killed, self.orphans_s = dict.fromkeys(self.KINDS, 0), list[float]()

    def kill(self, kind: str) -> None:
        """Kill one process, or all, at a random moment, and start again what nothing else starts again."""
        service = self._running[0]
        if self._chance.random() < 0.5:
            service.wait_until_ready()
        time.sleep(self._chance.uniform(0.0, 3.0))
        master = service.process.pid
        family = descendants(master)
        self.killed[kind] += 1
        if kind == "tree":
            self._running.kill(0)
        elif kind == "master":
            service.process.kill()
            service.process.wait()
        else:
            chosen = [pid for pid in family if is_decoder(pid) == (kind == "decoder")]
            for pid in chosen[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            family = descendants(chosen[0]) if kind == "worker" and chosen else []
        if kind in ("master", "tree"):
            self.orphans_s.append(ended(family))
            self._running.restart(0)
        elif kind == "worker":
            self.orphans_s.append(ended(family))


def descendants(pid: int) -> list[int]:
    """Process ids of children and their children, parents first."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in map(int, _children(pid)):
            found += [child, *descendants(child)]
    return found


def is_decoder(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(CALLEE).stem in Path(f"/proc/{pid}/cmdline").read_text()
    return False


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie doesn't."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ended(pids: list[int]) -> float:
    """Wait until processes have ended. Gives the seconds."""
    begun = time.monotonic()
    while left := [pid for pid in pids if lives(pid)]:
        assert time.monotonic() - begun < ORPHAN_S, f"{left} live on without their master"
        time.sleep(0.02)
    return time.monotonic() - begun


def soon(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "service.db")
    elif not LONG:
        pytest.skip("CRUCIATE_LONG isn't set")
    else:
        with postgresql() as url:
            yield url


def rows(url: str, table: type, *columns: str) -> list[tuple]:
    database = Database(url)
    with database.read() as session:
        found = [tuple(getattr(row, column) for column in columns) for row in session.scalars(select(table))]
    database.close()
    return found


@pytest.fixture(scope="module")
def undisturbed(bundles, tmp_path_factory) -> list[tuple[dict, np.ndarray]]:
    """Result and maps of each kind of pixels, from a service that nobody kills."""
    folder = tmp_path_factory.mktemp("calm")
    zip_type = {"Content-Type": "application/zip"}
    with services(1, bundles[0], folder, sqlite_url(folder / "service.db"), **QUIET) as running:
        answers = [
            json.loads(running[0].ask("POST", "/v1/predictions", zipped(files(number)), zip_type))
            for number in range(PIXELS)
        ]
    folders = [folder / "var" / "predictions" / answer["id"] for answer in answers]
    return [(answer["result"], np.load(place / "maps.npy")) for answer, place in zip(answers, folders, strict=True)]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_no_study_is_lost_or_doubled_whatever_is_killed(bundles, undisturbed, database, tmp_path, seed):
    (tmp_path / "tmp").mkdir()
    shared = set(Path("/dev/shm").glob("wgunicorn-*"))
    running = Services(bundles[0], tmp_path, database, TMPDIR=str(tmp_path / "tmp"), **QUIET)
    running.start()
    try:
        running[0].wait_until_ready()
        load, chance = Load(lambda: running[0]), random.Random(seed)
        killer = Killer(running, chance)
        kinds = [*Killer.KINDS, *chance.choices(Killer.KINDS, k=KILLS - len(Killer.KINDS))]
        chance.shuffle(kinds)
        try:
            for kind in kinds:
                killer.kill(kind)
        finally:
            load.stop()
        print(killer.killed, f"orphans: {max(killer.orphans_s):.1f} s", f"sent again: {load.again}", flush=True)
        print(f"computed {len(running.began())} times for {len(load.posted) + len(load.stored)} studies", flush=True)
        assert load.refused == []
        soon(lambda: {row[0] for row in rows(database, Study, "state")} <= {"predicted"})
        soon(lambda: {row[0] for row in rows(database, Prediction, "status")} <= {"done", "failed"})
        soon(lambda: [row[0] for row in rows(database, Delivery, "state")] == ["delivered"] * len(load.stored))
        check_answers(database, tmp_path / "var", load, undisturbed)
        check_results(database, load.stored)
        running.stop()
        running.restart(0)
        running[0].wait_until_ready()
        check_nothing_left(database, tmp_path, running)
        assert not set(Path("/dev/shm").glob("wgunicorn-*")) - shared
    finally:
        with suppress(ServiceError):
            running.stop()


def check_answers(database: str, data: Path, load: Load, expected: list[tuple[dict, np.ndarray]]) -> None:
    """Each accepted study has exactly one prediction, the same as if nobody had been killed."""
    columns = "study_uid", "id", "status", "lease", "answer"
    found = sorted(rows(database, Prediction, *columns), key=lambda row: row[0])
    accepted = [f"2.25.{1000 + number}" for number in (*load.posted, *load.stored)]
    assert [row[0] for row in found] == sorted(accepted)
    assert {(status, lease) for _, _, status, lease, _ in found} == {("done", None)}
    by_study = {uid: (id_, answer) for uid, id_, _, _, answer in found}
    for number in (*load.posted, *load.stored):
        id_, answer = by_study[f"2.25.{1000 + number}"]
        result, maps = expected[number % PIXELS]
        assert answer["result"] == result
        assert (np.load(data / "predictions" / id_ / "maps.npy") == maps).all()
        assert load.posted.get(number, {"id": id_})["id"] == id_


def check_results(database: str, stored: list[int]) -> None:
    """Each study that the service holds has its own instances and one set of results."""
    expected = {f"2.25.{1000 + number}": [False] * len(voxels()) + [True] * RESULTS for number in stored}
    found: dict[str, list[bool]] = {}
    for uid, ours in sorted(rows(database, Instance, "study_uid", "ours")):
        found.setdefault(uid, []).append(ours)
    assert found == expected


def check_nothing_left(database: str, folder: Path, running: Services) -> None:
    """After the next start only what belongs to accepted studies, and to the processes that run now."""
    data = folder / "var"
    for kind in ("predictions", "instances"):
        left = list((data / kind / ".incoming").iterdir())
        assert len(left) == 1
        assert [path.name for path in left[0].rglob("*")] == [".lock"]
    assert not (data / "set-aside").exists()
    assert list((folder / "tmp").iterdir()) == []
    environment = os.environ | {"CRUCIATE_DATA": str(data), "CRUCIATE_DATABASE": database}
    checked = warm.run("-m", "app.store", "check", environment=environment)
    assert checked.returncode == 0, checked.stdout
    assert verify(data).faults == ()
    master = running[0].process.pid
    everything = map(int, (path.name for path in Path("/proc").glob("[0-9]*")))
    assert {pid for pid in everything if is_ours(pid, running)} == {master, *descendants(master)}


def is_ours(pid: int, running: Services) -> bool:
    """Whether a process is in the session of one of the services, as each has one of its own."""
    with suppress(OSError):
        return os.getsid(pid) in running.masters and lives(pid)
    return False
