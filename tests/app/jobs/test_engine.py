"""The queue before the model: bounded, never losing a study, and not stopped by any of them."""

import threading
import time

import pytest
from sqlalchemy import update

from app.contract.problems import OURS
from app.jobs.faults import TRIES
from app.service.parts import EXTENSION
from app.store.database import Prediction
from data_prep.errors import UnsuitableStudy
from models.predictor import Predictor
from tests.app.conftest import SOON_S, settled
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

POST = {"path": "/v1/predictions", "content_type": "application/zip"}


class Gate:
    """Holds every prediction until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()


@pytest.fixture
def gate(monkeypatch):
    gate, predict = Gate(), Predictor.predict

    def held(self, volume):
        gate.reached.set()
        assert gate.open.wait(SOON_S)
        return predict(self, volume)

    monkeypatch.setattr(Predictor, "predict", held)
    yield gate
    gate.open.set()


def post_without_waiting(client, seed: int = 0):
    return client.post(**POST, data=study_zip(seed), headers={"Prefer": "respond-async"})


def crashed(app, attempts: int = 1) -> None:
    """Leave the rows as processes would that died at work, when their leases have ended."""
    with app.extensions[EXTENSION].store._database.write() as session:
        session.execute(update(Prediction).values(lease=None, attempts=attempts))


def test_a_full_queue_says_when_to_come_back(make_app, gate):
    client = make_app(queue=2).test_client()
    accepted = [post_without_waiting(client, seed) for seed in (1, 2)]
    refused = post_without_waiting(client, 3)
    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert int(refused.headers["Retry-After"]) > 0
    assert post_without_waiting(client, 2).status_code == 202  # known already: it needs no place
    gate.open.set()
    assert [settled(client, response.headers["Location"])["status"] for response in accepted] == ["done"] * 2
    assert client.post(**POST, data=study_zip(3)).status_code == 201


def test_waiting_has_an_end(make_app, gate):
    client = make_app(wait_s=0.1).test_client()
    response = client.post(**POST, data=study_zip())
    assert (response.status_code, response.json["status"]) == (202, "queued")
    assert "Preference-Applied" not in response.headers
    picture = client.get(f"{response.headers['Location']}/slices/0/image.png")
    assert (picture.status_code, picture.json["detail"]) == (409, "This prediction is queued; it has no pictures.")


def test_what_was_accepted_is_answered_after_a_restart(make_app, gate):
    """The service stops with one study at work and one in the queue."""
    first = make_app()
    places = [post_without_waiting(first.test_client(), seed).headers["Location"] for seed in (1, 2)]
    assert gate.reached.wait(SOON_S)
    stopping = threading.Thread(target=first.extensions[EXTENSION].engine.stop)
    stopping.start()
    while not first.extensions[EXTENSION].engine._stopping:
        time.sleep(0.01)
    gate.open.set()
    stopping.join()
    assert [first.test_client().get(place).json["status"] for place in places] == ["done", "queued"]
    second = make_app().test_client()
    assert [settled(second, place)["status"] for place in places] == ["done", "done"]


def test_a_study_that_cannot_be_predicted_on_is_a_problem_for_whoever_asks(make_app, monkeypatch):
    def refuse(self, volume):
        raise UnsuitableStudy("Every slice of the series is blank.")

    monkeypatch.setattr(Predictor, "predict", refuse)
    client = make_app().test_client()
    response = client.post(**POST, data=study_zip())
    assert (response.status_code, response.mimetype) == (422, "application/problem+json")
    assert response.json["detail"] == "Every slice of the series is blank."
    later = settled(client, post_without_waiting(client).headers["Location"])
    assert (later["status"], later["problem"]) == ("failed", response.json)


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr("app.jobs.faults.FIRST_PAUSE_S", 0.01)


@pytest.mark.usefixtures("no_pauses")
def test_an_unexpected_failure_that_passes_is_nobodys(make_app, monkeypatch):
    predict, faults = Predictor.predict, [RuntimeError(), RuntimeError()]

    def fail(self, volume):
        if faults:
            raise faults.pop()
        return predict(self, volume)

    monkeypatch.setattr(Predictor, "predict", fail)
    assert make_app().test_client().post(**POST, data=study_zip()).status_code == 201
    assert faults == []


@pytest.mark.usefixtures("no_pauses")
def test_an_unexpected_failure_is_kept_and_does_not_stop_the_thread(make_app, monkeypatch, caplog):
    predict = Predictor.predict

    tries = []

    def fail(self, volume):
        tries.append(volume)
        raise RuntimeError("Quibble^Zebedee")

    monkeypatch.setattr(Predictor, "predict", fail)
    client = make_app().test_client()
    response = client.post(**POST, data=study_zip())
    assert len(tries) == TRIES
    assert (response.status_code, response.mimetype) == (500, "application/problem+json")
    assert response.json["type"] == OURS
    assert "Send the study again, and the service tries again" in response.json["detail"]
    assert "Quibble" not in response.text + caplog.text
    assert "unexpected RuntimeError at" in caplog.text
    monkeypatch.setattr(Predictor, "predict", predict)
    assert client.post(**POST, data=study_zip(1)).status_code == 201
    assert client.post(**POST, data=study_zip()).status_code == 201  # a failed study may be sent again


def test_deleting_what_is_being_computed_leaves_nothing(make_app, gate, tmp_path):
    client = make_app().test_client()
    place = post_without_waiting(client).headers["Location"]
    assert gate.reached.wait(SOON_S)
    assert client.delete(place).status_code == 204
    gate.open.set()
    assert client.post(**POST, data=study_zip(1)).status_code == 201  # the one before it is through
    assert client.get(place).status_code == 404
    assert len(list((tmp_path / "var" / "predictions").glob("[!.]*"))) == 1


def test_a_study_that_kills_the_service_is_given_up(make_app, gate):
    app = make_app()
    place = post_without_waiting(app.test_client()).headers["Location"]
    assert gate.reached.wait(SOON_S)
    crashed(app, attempts=3)
    answer = settled(make_app().test_client(), place)
    assert answer["status"] == "failed"
    assert "stopped 3 times" in answer["problem"]["detail"]


def test_a_study_for_a_bundle_that_is_gone_is_given_up(make_app, gate, bundles, monkeypatch):
    monkeypatch.setattr("app.jobs.engine.BEAT_S", 0.05)
    monkeypatch.setattr("app.jobs.leases.UNSERVED_AFTER", 5)
    app = make_app()
    place = post_without_waiting(app.test_client()).headers["Location"]
    assert gate.reached.wait(SOON_S)
    crashed(app)
    answer = settled(make_app(bundles=bundles[1:]).test_client(), place)
    assert answer["status"] == "failed"
    assert "no longer loaded" in answer["problem"]["detail"]
