"""SIGHUP: the old process serves until the new one has loaded its models."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client import RunningService, serving
from tests.app.studies import study_zip

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cold")]

SOON_S = 90
ZIP = {"Content-Type": "application/zip"}


def workers(service) -> set[int]:
    """The processes that gunicorn has started."""
    pid = service.process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as children:  # noqa: PTH123
        return {int(child) for child in children.read().split()}


@pytest.fixture(scope="module")
def reloaded(bundles, tmp_path_factory) -> Iterator[tuple[RunningService, Path]]:
    """A service and its bundle. gunicorn waits a short time only for a process that should replace another one."""
    scratch = tmp_path_factory.mktemp("reloaded")
    bundle = shutil.copytree(bundles[0], scratch / "bundle")
    with serving(bundle, scratch, GUNICORN_CMD_ARGS="--graceful-timeout 5") as service:
        service.wait_until_ready()
        yield service, bundle
    assert service.process.returncode == 0


def test_every_post_during_a_reload_is_answered(reloaded):
    service, _ = reloaded
    (old,) = workers(service)
    status, first = service.request("POST", "/v1/predictions", study_zip(), ZIP)
    assert status == 201
    os.kill(service.process.pid, signal.SIGHUP)
    deadline, statuses = time.monotonic() + SOON_S, []
    while workers(service) & {old} or len(workers(service)) != 1:
        assert time.monotonic() < deadline
        statuses.append(service.request("POST", "/v1/predictions", study_zip(), ZIP)[0])
        statuses.append(service.request("GET", "/readyz")[0])
        time.sleep(0.05)
    assert len(statuses) > 10
    assert set(statuses) == {200}
    status, again = service.request("POST", "/v1/predictions", study_zip(), ZIP)
    assert (status, json.loads(again)) == (200, json.loads(first))
    assert service.request("POST", "/v1/predictions", study_zip(5), ZIP)[0] == 201


def test_a_new_process_that_cannot_start_leaves_the_old_one_at_work(reloaded):
    service, bundle = reloaded
    (old,) = workers(service)
    (bundle / "manifest.json").write_text("{}")
    os.kill(service.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + SOON_S
    while "can't be loaded" not in service.log.read_text() or workers(service) != {old}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert service.request("POST", "/v1/predictions", study_zip(9), ZIP)[0] == 201
