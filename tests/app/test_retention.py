"""Two services that share a database and a folder, with retention on, while one of them is killed again and again."""

import hashlib
import json
import os
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from app.audit.verify import verify
from app.store.database import sqlite_url
from tests import warm
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels
from tests.app.test_sharing import Services, insist, services

pytestmark = pytest.mark.slow

LONG = bool(os.environ.get("CRUCIATE_LONG"))
STUDIES, KILLS = (200, 20) if LONG else (16, 1)
SOON_S = 60
# A study has 430,208 bytes of pixels and 920 of maps: of five, and of eleven, the oldest expires.
LIMITS = {
    "CRUCIATE_RETENTION": "on",
    "CRUCIATE_KEEP_PIXELS_MB": "2.1",
    "CRUCIATE_KEEP_MAPS_MB": "0.01",
    "CRUCIATE_KEEP_RESULTS_MB": "0.3",
    "CRUCIATE_KEEP_INSTANCES_MB": "0.6",
    "CRUCIATE_QUIET_S": "0.2",
    "CRUCIATE_RESULTS": "sr,map",
    "CRUCIATE_MAP_VALUES": "uint16",
}


def bytes_in(folder: Path, name: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(name) if path.is_file())


def expired(var: Path) -> Counter[tuple[str, str | None]]:
    """How often each thing is in the audit trail as expired: by kind, and prediction or study."""
    lines = [
        json.loads(line) for path in sorted((var / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()
    ]
    return Counter(
        (line["what"], line.get("prediction") or line["study"]) for line in lines if line["what"].endswith(" expired")
    )


def eventually(what, *arguments) -> None:
    """Wait until something is so, whichever service is being killed."""
    deadline = time.monotonic() + SOON_S
    while True:
        try:
            if what(*arguments):
                return
        except (OSError, HTTPException):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def check(folder: Path, database: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CRUCIATE_DATA": str(folder), "CRUCIATE_DATABASE": database}
    return warm.run("-m", "app.store", "check", environment=environment)


def kill_one(running: Services) -> None:
    for _ in range(KILLS):
        time.sleep(1)
        running.kill(1)
        running.restart(1)
        running[1].wait_until_ready()


def test_what_takes_too_much_room_expires_once_and_comes_back_when_it_is_sent_again(bundles, tmp_path):
    var, database = tmp_path / "var", sqlite_url(tmp_path / "service.db")
    with services(2, bundles[0], tmp_path, database, **LIMITS) as running, ThreadPoolExecutor(5) as pool:
        killing = pool.submit(kill_one, running)
        sent = [pool.submit(insist, running, seed % 2, study_zip(seed)) for seed in range(STUDIES)]
        stored = body(instances(voxels(1000), study="2.25.70", series="2.25.71"))
        status, _ = running[0].request("POST", "/dicom-web/studies", stored, {"Content-Type": RELATED})
        assert status == 200
        answers = [one.result() for one in sent]
        killing.result()
        assert {(status in (200, 201), answer["status"]) for status, answer in answers} == {(True, "done")}
        eventually(lambda: bytes_in(var / "predictions", "voxels.npy") <= 2.1e6)
        eventually(lambda: bytes_in(var / "predictions", "maps.npy") <= 0.01e6)
        first = answers[0][1]
        place = f"/v1/predictions/{first['id']}"
        picture = f"{place}/slices/5/overlay.png"
        status, content = running[0].request("GET", picture)
        assert (status, "Send the study again" in json.loads(content)["detail"]) == (410, True)
        assert json.loads(running[1].ask("GET", place)) == first
        # The results of the study that came by STOW-RS, and those of a second one, which are too many. Then a third
        # one, whose instances are too many.
        for number, what in ((1, "results"), (2, "instances")):
            more = body(instances(voxels(1000 + number), study=f"2.25.7{2 * number}", series=f"2.25.7{2 * number + 1}"))
            assert running[0].request("POST", "/dicom-web/studies", more, {"Content-Type": RELATED})[0] == 200
            eventually(lambda what=what: f"{what} expired" in {kind for kind, _ in expired(var)})
        eventually(lambda: running[0].request("GET", "/dicom-web/studies/2.25.70")[0] == 404)
        assert check(var, database).stdout.count("predictions without") == 0
        once = expired(var)
        again, answer = insist(running, 1, study_zip(0))
        assert (again, answer["id"], answer["result"]) == (201, first["id"], first["result"])
        assert running[0].request("GET", picture)[0] == 200
    assert verify(var).faults == ()
    assert {kind for kind, _ in once} == {f"{kind} expired" for kind in ("pixels", "maps", "results", "instances")}
    assert ("instances expired", hashlib.sha256(b"2.25.70").hexdigest()) in once
    # A process that was killed between a line and its deletion left a second line to the one that completed it.
    assert sum(count - 1 for count in once.values()) <= KILLS
    said = check(var, database)
    assert said.stdout.startswith("Expired, not lost: pixels of "), said
    assert said.stdout.endswith("All is well.\n") or "leftovers" in said.stdout
