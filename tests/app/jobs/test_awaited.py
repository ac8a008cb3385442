from pathlib import Path

import numpy as np
import pytest
from werkzeug.exceptions import NotFound

from app.jobs.awaited import Awaited
from app.jobs.claims import Claims
from app.store.database import Database, sqlite_url
from app.store.job import Job
from app.store.predictions import Store
from app.store.queue import LeaseLost, Queue
from data_prep.selection.series import Selection
from tests.conftest import make_volume

JOB = Job.of(Selection(make_volume(np.zeros((2, 3, 3), np.float32)), ()), "bundle digest", 1.0)
ANSWER = {"id": JOB.id, "status": "done"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "predictions", Database(sqlite_url(tmp_path / "service.db")))
    store.put(JOB)
    return store


def test_an_answer_that_another_process_stored_is_found(store):
    awaited = Awaited(store)
    answer = awaited.of(JOB.id)
    awaited.look()
    assert not answer.done()
    store.finish(JOB.id, ANSWER)
    awaited.look()
    assert answer.result(0) == ANSWER


def test_everyone_who_waits_gets_the_answer_of_this_process(store):
    awaited = Awaited(store)
    answers = [awaited.of(JOB.id) for _ in range(2)]
    awaited.settle(JOB.id, ANSWER)
    assert [answer.result(0) for answer in answers] == [ANSWER] * 2
    awaited.settle(JOB.id, ANSWER)  # nobody waits any more


def test_of_a_deleted_job_everyone_is_told(store):
    awaited = Awaited(store)
    answer = awaited.of(JOB.id)
    store.delete(JOB.id)
    awaited.look()
    with pytest.raises(NotFound):
        answer.result(0)


def test_a_look_from_before_does_not_end_what_is_entered_again(store, monkeypatch):
    """A lease ended while a study was stored; the request enters it again while another thread looks."""
    awaited = Awaited(store)
    awaited.of(JOB.id)
    again = []

    def outcomes(_):
        awaited.forget(JOB.id)
        again.append(awaited.of(JOB.id))
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(store, "outcomes", outcomes)
        awaited.look()
    assert not again[0].done()


def test_a_job_whose_lease_ended_while_it_was_stored_is_awaited_anew(tmp_path, monkeypatch):
    database = Database(sqlite_url(tmp_path / "service.db"))
    store = Store(tmp_path / "predictions", database)
    awaited = Awaited(store)
    claims = Claims(store, Queue(database, 1), awaited)
    first = awaited.of(JOB.id)

    def lost(*_, **__):
        raise LeaseLost

    monkeypatch.setattr(store, "put", lost)
    with pytest.raises(LeaseLost):
        claims.enter(JOB, ["bundle digest"])
    assert awaited.of(JOB.id) is not first
