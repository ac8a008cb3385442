"""A service on a tiny, real bundle."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from data_prep.labels import FOUR_CLASS
from tests import readers, warm
from tests.app import tables
from tests.app.lending import lent
from tests.app.studies import study_zip
from tests.models.conftest import write_tiny_bundle

# Generous: importing TensorFlow on a busy machine.
LOADING_S = 60
# One object each.
RESULTS = ("sr", "map", "key-image")
# A tiny network answers in milliseconds.
SOON_S = 30


class WholeAnswers(FlaskClient):
    """Reads each answer to its end, as HTTP clients do: the files that it is read from are closed then."""

    def open(self, *request, buffered: bool = True, **options):
        return super().open(*request, buffered=buffered, **options)


@pytest.fixture(scope="session", autouse=True)
def _whole_answers() -> Iterator[None]:
    """Clients of apps in this process are of this class."""
    with mock.patch.object(Flask, "test_client_class", WholeAnswers):
        yield


@pytest.fixture(scope="session", autouse=True)
def _tables() -> Iterator[None]:
    """New databases get their tables at once."""
    with tables.made_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm() -> Iterator[None]:
    """Services start at once, and so do the processes that read what clients send."""
    with mock.patch("app.client.started", warm.service), mock.patch("app.apart.pool.started", readers.started):
        yield


@pytest.fixture(scope="module")
def cold() -> Iterator[None]:
    """Services are started as users start them."""
    with mock.patch("app.client.started", warm.COLD):
        yield


@pytest.fixture(scope="module")
def own_readers() -> Iterator[None]:
    """Services start the processes that read what clients send as they do for users: as children."""
    with mock.patch("app.apart.pool.started", readers.OWN):
        yield


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> Iterator[tuple[Path, Path]]:
    """A binary and a four-class bundle. No test may change them."""
    folder = tmp_path_factory.mktemp("bundles")
    written = write_tiny_bundle(folder / "tiny"), write_tiny_bundle(folder / "four", FOUR_CLASS)
    with lent(written):
        yield written


@pytest.fixture
def make_app(bundles, tmp_path) -> Iterator[Callable[..., Flask]]:
    """Starts services on this test's own results folder, and stops them at the end.

    They make no overlays, which are many.
    """
    apps = []

    def make(
        clock: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic, **settings
    ) -> Flask:
        app = create_app(
            Settings(**{"bundles": bundles, "data": tmp_path / "var", "results": RESULTS} | settings), clock, elapsed
        )
        apps.append(app)
        app.extensions[EXTENSION].engine.loaded.result(LOADING_S)
        return app

    yield make
    for app in apps:
        app.extensions[EXTENSION].stop()


@pytest.fixture
def client(make_app) -> FlaskClient:
    return make_app().test_client()


@pytest.fixture(scope="module")
def answered(bundles, tmp_path_factory) -> Iterator[tuple[FlaskClient, dict]]:
    """One service with one answered study, for tests that only read."""
    app = create_app(Settings(bundles=bundles, data=tmp_path_factory.mktemp("var")))
    client = app.test_client()
    app.extensions[EXTENSION].engine.loaded.result(LOADING_S)
    response = client.post("/v1/predictions", data=study_zip(), content_type="application/zip")
    assert response.status_code == 201, response.text
    yield client, response.json
    app.extensions[EXTENSION].stop()


class Clock:
    """The time, and what a test adds to it."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.added_s


def settled(client, place: str) -> dict:
    """The answer, once it is no longer queued."""
    deadline = time.monotonic() + SOON_S
    while (answer := client.get(place).json)["status"] == "queued":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer
