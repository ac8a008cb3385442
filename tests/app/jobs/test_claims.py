"""Services that share database and folder, in one process: what one accepts, computes or leaves, and the other sees."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import select

from app.service.parts import EXTENSION, Service
from app.store.database import Prediction
from models.predictor import Predictor
from tests.app.conftest import SOON_S, settled
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

POST = {"path": "/v1/predictions", "content_type": "application/zip"}


class Predicting:
    """Counts predictions. The first ones meet what a test wants: a closed gate, or an error."""

    def __init__(self) -> None:
        self.begun = 0
        self.reached, self.open = threading.Event(), threading.Event()
        self.held = 0
        self.errors: list[Exception] = []

    def meet(self) -> None:
        self.begun += 1
        if self.errors:
            raise self.errors.pop(0)
        if self.begun <= self.held:
            self.reached.set()
            assert self.open.wait(SOON_S)


@pytest.fixture
def predicting(monkeypatch):
    predicting, predict = Predicting(), Predictor.predict

    def met(self, volume):
        predicting.meet()
        return predict(self, volume)

    monkeypatch.setattr(Predictor, "predict", met)
    # Leases that end within a moment, and short pauses.
    monkeypatch.setattr("app.jobs.engine.BEAT_S", 0.1)
    monkeypatch.setattr("app.jobs.claims.FINISH_PAUSES_S", (0.1,))
    monkeypatch.setattr("app.jobs.faults.FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr("app.store.database.LOCK_S", 0.1)
    yield predicting
    predicting.open.set()


def post_without_waiting(client, seed: int = 0):
    return client.post(**POST, data=study_zip(seed), headers={"Prefer": "respond-async"})


def service_of(app) -> Service:
    return app.extensions[EXTENSION]


def until(condition) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def row(app) -> Prediction:
    """The only job."""
    with service_of(app).store._database.read() as session:
        return session.scalars(select(Prediction)).one()


def test_a_service_that_starts_computes_nothing_that_another_computes(make_app, predicting):
    predicting.held = 2
    first = make_app().test_client()
    places = [post_without_waiting(first, seed).headers["Location"] for seed in (1, 2, 3)]
    second = make_app().test_client()
    until(lambda: predicting.begun == 2)  # each has one at work; the third waits
    predicting.open.set()
    for client in (first, second):
        assert [settled(client, place)["status"] for place in places] == ["done"] * 3
    assert predicting.begun == 3


def test_a_study_sent_to_both_is_computed_once_and_both_answer(make_app, predicting):
    clients = [make_app().test_client() for _ in range(2)]
    studies = 5
    with ThreadPoolExecutor(2) as pool:
        for body in map(study_zip, range(studies)):
            pair = [pool.submit(client.post, **POST, data=body) for client in clients]
            assert sorted(one.result().status_code for one in pair) == [200, 201]
    assert predicting.begun == studies


def test_the_job_of_a_dead_service_is_taken_when_its_lease_has_ended(make_app, predicting, caplog):
    """Its lease isn't renewed any more. It isn't really dead, and comes back with its answer too late."""
    predicting.held = 1
    dead = make_app()
    place = post_without_waiting(dead.test_client()).headers["Location"]
    assert predicting.reached.wait(SOON_S)
    for work in service_of(dead).engine._rounds:
        work.stop()
    answer = settled(make_app().test_client(), place)
    assert (answer["status"], predicting.begun) == ("done", 2)
    predicting.open.set()
    until(lambda: "left to another process" in caplog.text)
    assert dead.test_client().get(place).json == answer


def test_a_database_that_is_locked_for_long_costs_time_and_no_study(make_app, predicting, tmp_path):
    """The first answer can't be stored, its lease neither renewed nor given back; a second study is refused for now."""
    predicting.held = 1
    app = make_app()
    place = post_without_waiting(app.test_client()).headers["Location"]
    assert predicting.reached.wait(SOON_S)
    with closing(sqlite3.connect(tmp_path / "var" / "cruciate.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        predicting.open.set()
        refused = app.test_client().post(**POST, data=study_zip(1))
        assert (refused.status_code, refused.json["title"]) == (503, "Service Unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        time.sleep(1)
    assert settled(app.test_client(), place)["status"] == "done"
    assert row(app).attempts == 1
    assert app.test_client().post(**POST, data=study_zip(1)).status_code == 201


@pytest.mark.parametrize("fault", [OSError(28, "no space"), MemoryError()])
def test_a_fault_of_the_machine_is_never_the_studys_failure(make_app, predicting, fault):
    """More often than the service tries a study that kills it."""
    predicting.errors = [fault] * 4
    response = make_app().test_client().post(**POST, data=study_zip())
    assert (response.status_code, predicting.begun) == (201, 5)


def test_of_lost_pixels_the_client_is_told_to_send_them_again(make_app, predicting, tmp_path):
    predicting.held = 1
    client = make_app().test_client()
    post_without_waiting(client, 1)
    assert predicting.reached.wait(SOON_S)
    place = post_without_waiting(client).headers["Location"]
    (tmp_path / "var" / "predictions" / place.rpartition("/")[2] / "voxels.npy").unlink()
    predicting.open.set()
    lost = settled(client, place)
    assert (lost["status"], lost["problem"]["status"]) == ("failed", 503)
    assert "Send the study again." in lost["problem"]["detail"]
    assert client.post(**POST, data=study_zip()).status_code == 201


def test_a_bundle_that_another_service_has_loaded_is_left_to_it(make_app, predicting, bundles):
    predicting.held = 1
    first = make_app(bundles=bundles[:1]).test_client()
    places = [post_without_waiting(first, seed).headers["Location"] for seed in (1, 2)]
    second = make_app(bundles=bundles[1:]).test_client()
    assert predicting.reached.wait(SOON_S)
    time.sleep(1)  # it looks for jobs twice
    assert second.get(places[1]).json["status"] == "queued"
    predicting.open.set()
    assert [settled(second, place)["status"] for place in places] == ["done"] * 2


def test_capacity_is_that_of_all_services(make_app, predicting):
    predicting.held = 2
    first, second = (make_app(queue=2).test_client() for _ in range(2))
    assert [post_without_waiting(client, seed).status_code for seed, client in enumerate((first, second))] == [202] * 2
    assert [post_without_waiting(client, 2).status_code for client in (first, second)] == [429] * 2


def test_a_service_that_stops_leaves_its_jobs_to_the_others_at_once(make_app, predicting, monkeypatch):
    monkeypatch.setattr("app.jobs.engine.BEAT_S", 60.0)  # no lease ends here
    predicting.held = 1
    first = make_app()
    places = [post_without_waiting(first.test_client(), seed).headers["Location"] for seed in (1, 2)]
    assert predicting.reached.wait(SOON_S)
    stopping = threading.Thread(target=service_of(first).stop)
    stopping.start()
    predicting.open.set()
    stopping.join()
    second = make_app().test_client()
    assert [settled(second, place)["status"] for place in places] == ["done"] * 2
