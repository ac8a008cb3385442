"""Everything that writes into one trail: a service, a DIMSE listener and commands, each a process, at the same time."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from app.audit import account
from app.audit.verify import verify
from app.client import RunningService, serving
from tests import warm
from tests.app.dicomweb.messages import RELATED, body
from tests.app.listening import client, listening, write
from tests.app.studies import instances, study_zip, voxels
from tests.app.trail_lines import digest, trail_lines

pytestmark = pytest.mark.slow

ROUNDS, BETWEEN_S, SOON_S = 6, 0.1, 60.0
NOBODY = "http://127.0.0.1:9/dicom-web"
RETRY = "app.deliveries", "retry", "--state", "waiting", "--target", NOBODY


def study(number: int) -> list[bytes]:
    return instances(voxels(number), study=f"2.25.{number}", series=f"2.25.{number}.1")


def stow(service: RunningService, number: int) -> None:
    service.ask("POST", "/dicom-web/studies", body(study(number)), {"Content-Type": RELATED})


def command(data: Path, *arguments: str) -> None:
    environment = os.environ | {"CRUCIATE_DATA": str(data), "CRUCIATE_TARGETS": NOBODY}
    assert warm.run("-m", *arguments, environment=environment).returncode == 0


def test_the_chain_holds_and_says_what_each_of_them_did(bundles, tmp_path):
    data = tmp_path / "var"
    variables = {"CRUCIATE_QUIET_S": "0.5", "CRUCIATE_TARGETS": NOBODY}
    with (
        serving(bundles[0], tmp_path, **variables) as service,
        listening(tmp_path) as (port, _),
        ThreadPoolExecutor(4) as pool,
    ):
        service.wait_until_ready()
        service.ask("GET", "/v1/predictions")  # the first line
        sent = [write(tmp_path / f"sent{number}", study(number)) for number in range(1, ROUNDS + 1)]
        acts = [pool.submit(client, "storescu", port, *paths) for paths in sent]
        acts += [pool.submit(stow, service, 100 + number) for number in range(ROUNDS)]
        acts += [pool.submit(service.request, "GET", "/v1/predictions") for _ in range(10 * ROUNDS)]
        acts += [pool.submit(command, data, *RETRY) for _ in range(2)]
        while wait(acts, BETWEEN_S).not_done:  # checking it all the time would hold up those who write
            assert verify(data).faults == ()
        for act in acts:
            act.result()
        answer = json.loads(service.ask("POST", "/v1/predictions", study_zip(), {"Content-Type": "application/zip"}))
        held = {f"2.25.{number}" for number in (*range(1, ROUNDS + 1), *range(100, 100 + ROUNDS))}
        deadline = time.monotonic() + SOON_S
        while len([line for line in trail_lines(data) if line["what"] == "delivery"]) < len(held):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        command(data, *RETRY)
    lines = trail_lines(data)
    assert verify(data).faults == ()
    stored = {line["study"] for line in lines if line["what"] in ("C-STORE", "POST /dicom-web/studies")}
    assert stored == set(map(digest, held))
    # The last one of each study: a slow sender's may have been predicted on too early, and then again.
    predicted = {line["study"]: line for line in lines if line["what"] == "prediction"}
    model = {"bundle": answer["bundle"]["name"], "sha256": answer["bundle"]["sha256"], "outcome": "done"}
    assert predicted.keys() == stored | {digest("2.25.7")}
    assert [line for line in predicted.values() if not model.items() <= line.items()] == []
    delivered = [line for line in lines if line["what"] == "delivery"]
    assert {(line["outcome"], line["subject"]) for line in delivered} == {("delivered", "this service")}
    retried = [line for line in lines if line["what"] == "delivery retried"]
    assert {(line["user"], line["subject"]) for line in retried} == {(account(), NOBODY)}
    assert "2.25." not in json.dumps(lines)
