"""Retention in a service of this process, whose clock the test sets."""

import logging

import pytest

from app.service.parts import EXTENSION
from tests.app.conftest import Clock
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

DAY_S = 86_400.0
POST = {"path": "/v1/predictions", "content_type": "application/zip"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counter() -> Clock:
    """Seconds that really pass."""
    return Clock()


@pytest.fixture
def serve(make_app, clock, counter):
    """A client of a service, and its round of retention."""

    def made(mode: str, **limits: float):
        app = make_app(clock, counter, retention=mode, **limits)
        rounds = app.extensions[EXTENSION].rounds[-1]
        rounds.stop()
        return app.test_client(), rounds

    return made


def passed(days: float, clock: Clock, counter: Clock) -> None:
    clock.added_s += days * DAY_S
    counter.added_s += days * DAY_S


def test_pixels_and_maps_expire_and_come_back(serve, clock, counter, caplog):
    caplog.set_level(logging.INFO, "app.retention")
    client, rounds = serve("on", keep_pixels_days=30, keep_maps_days=60)
    answer = client.post(**POST, data=study_zip()).json
    place = f"/v1/predictions/{answer['id']}"
    picture, whole_map = client.get(f"{place}/slices/5/overlay.png").data, client.get(f"{place}/map.npz").status_code
    rounds.once()
    passed(31, clock, counter)
    rounds.once()
    for path in ("slices/5/overlay.png", "slices/5/image.png", "dicom/sr.dcm", "dicom/map.dcm", "fhir"):
        response = client.get(f"{place}/{path}")
        assert (response.status_code, response.mimetype) == (410, "application/problem+json")
        assert "Send the study again" in response.json["detail"]
    assert client.get(f"{place}/map.npz").status_code == whole_map == 200
    assert client.get(place).json == answer
    passed(31, clock, counter)
    rounds.once()
    assert client.get(f"{place}/map.npz").status_code == 410
    assert caplog.text.count("expired: 1 pixels (0.4 MB)") == 1
    again = client.post(**POST, data=study_zip())
    assert (again.status_code, again.json["id"], again.json["created"]) == (201, answer["id"], answer["created"])
    assert again.json["result"] == answer["result"]
    assert client.get(f"{place}/slices/5/overlay.png").data == picture
    assert client.delete(place).status_code == 204


def test_a_clock_that_jumps_deletes_nothing(serve, clock, counter, caplog):
    client, rounds = serve("on", keep_pixels_days=30)
    place = f"/v1/predictions/{client.post(**POST, data=study_zip()).json['id']}"
    rounds.once()
    for _ in range(3):
        clock.added_s += 3650 * DAY_S
        counter.added_s += 600
        rounds.once()
    assert client.get(f"{place}/slices/5/overlay.png").status_code == 200
    assert caplog.text.count("days ahead of what retention goes by") == 1  # an hour hasn't passed


def test_a_dry_run_deletes_nothing_and_says_what_would_go(serve, clock, counter, caplog, tmp_path):
    caplog.set_level(logging.INFO, "app.retention")
    client, rounds = serve("dry-run", keep_pixels_days=30)
    place = f"/v1/predictions/{client.post(**POST, data=study_zip()).json['id']}"
    rounds.once()
    passed(31, clock, counter)
    for _ in range(3):
        counter.added_s += 600
        rounds.once()
    assert client.get(f"{place}/slices/5/overlay.png").status_code == 200
    assert caplog.text.count("would expire: nothing") == 1
    assert caplog.text.count("would expire: 1 pixels (0.4 MB)") == 1
    assert not any("expired" in path.read_text() for path in (tmp_path / "var" / "audit").glob("*.jsonl"))


def test_off_there_is_no_round(make_app):
    app = make_app(keep_pixels_days=30)
    assert "retention" not in [work._thread.name for work in app.extensions[EXTENSION].rounds]
