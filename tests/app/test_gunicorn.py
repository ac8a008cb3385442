"""The configuration that serves, and a real service killed between POST and GET."""

import json
import os
import runpy
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

import pytest
from gunicorn.config import Config

from app.client import CONFIGURATION, RunningService, serving
from app.store.keys import create, revoke
from app.store.opening import open_database
from tests import warm
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

ZIP = {"Content-Type": "application/zip"}
SOON_S = 60


def start(bundle: Path, scratch: Path, **variables: str) -> tuple[int | None, str]:
    """Exit status and log of a service that can't start, started as users start it."""
    with mock.patch("app.client.started", warm.COLD), serving(bundle, scratch, **variables) as service:
        service.process.wait(SOON_S)
        return service.process.returncode, service.log.read_text()


def post(service: RunningService, body, **headers: str) -> tuple[int, dict]:
    status, content = service.request("POST", "/v1/predictions", body, ZIP | headers)
    return status, json.loads(content)


def settled(service: RunningService, id_: str) -> dict:
    """The answer, once it is no longer queued."""
    deadline = time.monotonic() + SOON_S
    while (answer := json.loads(service.ask("GET", f"/v1/predictions/{id_}")))["status"] == "queued":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def test_one_threaded_worker_and_never_preloading():
    """With a preloaded TensorFlow every prediction hangs."""
    configuration = runpy.run_path(str(CONFIGURATION))
    assert configuration["preload_app"] is False
    assert (configuration["worker_class"], configuration["workers"]) == ("app.server.worker.Worker", 1)
    assert configuration["threads"] > 1
    assert configuration["accesslog"] is None


@pytest.mark.parametrize(
    ("host", "keys", "served"),
    [
        ("127.0.0.1", "", True),
        ("[::1]", "", True),
        ("localhost", "", True),
        ("0.0.0.0", "", False),
        ("[::]", "", False),
        ("192.0.2.1", "", False),
        ("example.org", "", False),
        ("0.0.0.0", "a key of our own that is long enough", True),
    ],
)
def test_other_machines_are_served_with_a_key_only(bundles, monkeypatch, tmp_path, host, keys, served):
    variables = {
        "CRUCIATE_DATA": str(tmp_path),
        "CRUCIATE_BUNDLES": str(bundles[0]),
        "CRUCIATE_API_KEYS": keys,
        "CRUCIATE_HOST": host,
        "PORT": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    configuration = runpy.run_path(str(CONFIGURATION))
    server = SimpleNamespace(cfg=Config())
    server.cfg.set("bind", configuration["bind"])
    if served:
        configuration["on_starting"](server)
    else:
        with pytest.raises(SystemExit, match="Without a key only loopback"):
            configuration["on_starting"](server)


@pytest.mark.parametrize("revoked", [False, True])
def test_a_key_in_the_database_counts_too(bundles, tmp_path, monkeypatch, revoked):
    """Also a revoked one: nobody gets in with it, but nobody gets in without a key either."""
    database = open_database("", tmp_path)
    create(database, "pacs", ["read"], None)
    if revoked:
        revoke(database, "pacs")
    database.close()
    for name, value in {"BUNDLES": str(bundles[0]), "DATA": str(tmp_path), "HOST": "0.0.0.0"}.items():
        monkeypatch.setenv(f"CRUCIATE_{name}", value)
    configuration = runpy.run_path(str(CONFIGURATION))
    server = SimpleNamespace(cfg=Config())
    server.cfg.set("bind", configuration["bind"])
    configuration["on_starting"](server)


def test_users_that_a_proxy_names_count_too(bundles, tmp_path, monkeypatch):
    variables = {"BUNDLES": str(bundles[0]), "DATA": str(tmp_path), "HOST": "0.0.0.0"}
    variables |= {"TRUSTED_PROXIES": "10.0.0.1", "USER_HEADER": "X-Remote-User"}
    for name, value in variables.items():
        monkeypatch.setenv(f"CRUCIATE_{name}", value)
    configuration = runpy.run_path(str(CONFIGURATION))
    server = SimpleNamespace(cfg=Config())
    server.cfg.set("bind", configuration["bind"])
    configuration["on_starting"](server)


def test_a_database_that_cannot_be_asked_for_keys_ends_the_start(bundles, tmp_path, monkeypatch):
    (tmp_path / "cruciate.db").write_bytes(b"no database" * 100)
    for name, value in {"BUNDLES": str(bundles[0]), "DATA": str(tmp_path), "HOST": "0.0.0.0"}.items():
        monkeypatch.setenv(f"CRUCIATE_{name}", value)
    configuration = runpy.run_path(str(CONFIGURATION))
    server = SimpleNamespace(cfg=Config())
    server.cfg.set("bind", configuration["bind"])
    with pytest.raises(SystemExit, match="The database can't be opened"):
        configuration["on_starting"](server)


def test_preloading_on_the_command_line_is_refused(bundles, monkeypatch):
    monkeypatch.setenv("CRUCIATE_BUNDLES", str(bundles[0]))
    server = SimpleNamespace(cfg=Config())
    server.cfg.set("preload_app", True)
    with pytest.raises(SystemExit, match="Don't preload"):
        runpy.run_path(str(CONFIGURATION))["on_starting"](server)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"CRUCIATE_QUEUE": "lots"}, "CRUCIATE_QUEUE must be a number from 1 to 1000, not 'lots'."),
        ({"CRUCIATE_BUNDLES": "nowhere"}, "CRUCIATE_BUNDLES: nowhere isn't a bundle, it has no manifest.json."),
        ({"CRUCIATE_HOST": "0.0.0.0"}, "Without a key only loopback is served"),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_sentence(bundles, tmp_path, variables, sentence):
    status, log = start(bundles[0], tmp_path, **variables)
    assert status != 0
    assert sentence in log
    assert "Traceback" not in log


def test_a_bundle_that_cannot_be_served_ends_the_service(tmp_path):
    bundle = tmp_path / "broken"
    bundle.mkdir()
    (bundle / "manifest.json").write_text("{}")
    status, log = start(bundle, tmp_path)
    assert status == 3
    assert "broken: no readable manifest" in log


class Restarted(NamedTuple):
    """A service that was killed, at work and with a queue, and its successor on the same results."""

    service: RunningService
    answered: dict
    accepted: list[tuple[int, dict]]


@pytest.fixture(scope="module")
def restarted(bundles, tmp_path_factory) -> Iterator[Restarted]:
    scratch = tmp_path_factory.mktemp("service")
    with serving(bundles[0], scratch) as service:
        service.wait_until_ready()
        status, answered = post(service, study_zip())
        assert (status, answered["status"]) == (201, "done")
        accepted = [post(service, study_zip(seed), Prefer="respond-async") for seed in (1, 2, 3)]
        os.killpg(service.process.pid, signal.SIGKILL)
    with serving(bundles[0], scratch, CRUCIATE_MAX_BODY_MB="1") as service:
        service.wait_until_ready()
        yield Restarted(service, answered, accepted)
    assert service.process.returncode == 0


def test_a_service_killed_between_post_and_get_has_lost_nothing(restarted):
    service, answered, accepted = restarted
    assert json.loads(service.ask("GET", f"/v1/predictions/{answered['id']}")) == answered
    assert post(service, study_zip()) == (200, answered)
    assert [status for status, _ in accepted] == [202] * 3
    assert [settled(service, queued["id"])["status"] for _, queued in accepted] == ["done"] * 3


def pieces(body: bytes) -> Iterator[bytes]:
    """For `Transfer-Encoding: chunked`, as clients send what they read from a pipe."""
    return (body[start : start + 10_000] for start in range(0, len(body), 10_000))


def test_chunked_bodies_arrive(restarted):
    assert post(restarted.service, pieces(study_zip())) == (200, restarted.answered)


def test_a_body_over_the_limit_is_refused_and_the_client_gets_to_read_why(restarted):
    """With and without a length in the header."""
    for body in (bytes(30 << 20), pieces(bytes(30 << 20))):
        status, problem = post(restarted.service, body)
        assert (status, problem["title"]) == (413, "Input over a limit")
        assert "1 MB" in problem["detail"]


@pytest.mark.parametrize(("content_type", "expected"), [("text/plain", 415), ("application/zip", 413)])
def test_a_refused_client_gets_its_answer_however_much_it_sends(restarted, content_type, expected):
    """Not a broken connection: most clients send everything before they listen."""
    headers = {"Content-Type": content_type}
    status, body = restarted.service.request("POST", "/v1/predictions", bytes(20 << 20), headers)
    assert status == expected
    assert json.loads(body)["status"] == expected
