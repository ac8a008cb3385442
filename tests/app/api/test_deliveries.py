"""Who has got which results, and another try."""

import pytest

from app import factory
from app.delivery.deliveries import ARRIVED, HERE, MANY_TRIES, ONE_TRY, Outcome
from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from app.store.database import sqlite_url
from tests.app.delivery.world import NOW, World

pytestmark = pytest.mark.slow

PACS, OTHER = "http://pacs.example/dicom-web", "https://other.example"
WITH_SECRET = PACS.replace("//", "//user:secret@")
FIRST, SECOND = "a" * 32, "b" * 32
NEXT_TRY = "2027-01-15T08:00:30Z"
SHOWN = {
    "delivered": {"prediction": FIRST, "target": HERE, "next_try": None, "outcome": "delivered"},
    "dead": {"prediction": FIRST, "target": PACS, "next_try": None, "outcome": "refused with status 401"},
    "waiting": {"prediction": FIRST, "target": OTHER, "next_try": NEXT_TRY, "outcome": "refused with status 503"},
}


@pytest.fixture
def world(tmp_path) -> World:
    """Three fates of the first prediction, and a second one that was never tried."""
    world = World(tmp_path, WITH_SECRET, OTHER)
    world.predict(FIRST)
    outcomes = (
        ARRIVED,
        Outcome("refused with status 401", ONE_TRY),
        Outcome("refused with status 503", MANY_TRIES),
    )
    for target, outcome in zip(world.deliveries.targets, outcomes, strict=True):
        claimed = world.deliveries.claim(target)
        assert claimed is not None
        world.deliveries.settle(claimed, outcome)
    world.predict(SECOND)
    return world


@pytest.fixture
def client(world, tmp_path, monkeypatch, bundles):
    """Of a service that does nothing by itself."""
    monkeypatch.setattr(factory, "EVERY_S", 3600)
    settings = Settings(
        bundles=bundles, data=tmp_path, database=sqlite_url(tmp_path / "service.db"), targets=(WITH_SECRET, OTHER)
    )
    app = create_app(settings, lambda: NOW)
    yield app.test_client()
    app.extensions[EXTENSION].engine.loaded.result()
    app.extensions[EXTENSION].stop()


def found(client, query: str = "") -> list[dict]:
    return client.get(f"/v1/deliveries{query}").json["deliveries"]


def test_each_state_is_shown_without_secrets(client):
    for state, shown in SHOWN.items():
        rows = [row for row in found(client, f"?state={state}") if row["prediction"] == FIRST]
        assert rows == [{"state": state, "content": "results", "attempts": 1} | shown]
    assert "secret" not in client.get("/v1/deliveries").text
    assert found(client, f"?prediction={SECOND}&target={PACS}") == [
        {
            **{"prediction": SECOND, "target": PACS, "state": "waiting", "attempts": 0},
            **{"content": "results", "next_try": "2027-01-15T08:00:00Z", "outcome": None},
        }
    ]
    assert found(client, f"?prediction={'c' * 32}") == []


def test_pages_are_linked(client):
    pages, place = [], "/v1/deliveries?limit=4"
    while place:
        answer = client.get(place).json
        pages.append(answer["deliveries"])
        place = answer["next"]
    assert [len(page) for page in pages] == [4, 2]
    assert pages[0] + pages[1] == found(client)
    (first, second) = (client.get(f"/v1/deliveries?target={OTHER}&limit=1"), found(client, f"?target={OTHER}"))
    assert client.get(first.json["next"]).json == {"deliveries": second[1:], "next": None}


def test_dead_ones_are_tried_again(client):
    assert client.post("/v1/deliveries/retry?target=https://nobody.example").json == {"retried": 0}
    assert client.post(f"/v1/deliveries/retry?prediction={FIRST}").json == {"retried": 1}
    (again,) = found(client, f"?prediction={FIRST}&target={PACS}")
    assert (again["state"], again["attempts"], again["next_try"]) == ("waiting", 0, "2027-01-15T08:00:00Z")
    assert again["outcome"] == "refused with status 401"
    assert client.post("/v1/deliveries/retry").json == {"retried": 0}


def test_waiting_ones_do_not_have_to_wait(client):
    assert client.post(f"/v1/deliveries/retry?state=waiting&target={OTHER}").json == {"retried": 2}
    assert {row["next_try"] for row in found(client, f"?target={OTHER}")} == {"2027-01-15T08:00:00Z"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/deliveries?state=lost", 400),
        ("GET", "/v1/deliveries?limit=0", 400),
        ("GET", "/v1/deliveries?after=nobody", 400),
        ("POST", "/v1/deliveries/retry?state=delivered", 400),
        ("GET", "/v1/deliveries/retry", 405),
        ("POST", "/v1/deliveries", 405),
    ],
)
def test_bad_requests(client, method, path, status):
    response = client.open(path, method=method)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
