"""Who is alive, as the processes see it that share a database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from app.jobs.leases import UNSERVED_AFTER, Leases
from app.jobs.unchanged import DEAD_AFTER
from app.store.database import Database, sqlite_url
from app.store.job import Job
from app.store.predictions import Store
from app.store.queue import Queue
from data_prep.selection.series import Selection
from tests.conftest import make_volume

BUNDLE = "bundle digest"
JOB = Job.of(Selection(make_volume(np.zeros((2, 3, 3), np.float32)), ()), BUNDLE, 1.0)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "service.db"


@pytest.fixture
def queue(path, monkeypatch) -> Iterator[Queue]:
    """It holds `JOB`, without its pixels' folder."""
    monkeypatch.setattr("app.store.database.LOCK_S", 0.02)
    database = Database(sqlite_url(path))
    Store(path.parent / "predictions", database).put(JOB)
    yield Queue(database, 10)
    database.close()


def rounds(count: int, *processes: Leases) -> None:
    for _ in range(count):
        for leases in processes:
            leases.round()


def test_a_lease_lives_as_long_as_its_process(queue):
    alive, other = Leases(queue), Leases(queue)
    alive.hold(queue.claim([BUNDLE]).lease)
    rounds(3 * DEAD_AFTER, alive, other)
    assert queue.claim([BUNDLE]) is None
    rounds(DEAD_AFTER - 1, other)
    assert queue.claim([BUNDLE]) is None
    rounds(1, other)
    assert queue.claim([BUNDLE]).attempts == 2


def test_a_job_that_never_got_its_pixels_is_forgotten_with_its_process(queue):
    dead, other = Leases(queue), Leases(queue)
    job = replace(JOB, id="f" * 32)
    queue.enter(job, dead.new(), [BUNDLE])
    rounds(DEAD_AFTER + 1, other)
    assert [waiting.id for waiting in queue.waiting()] == [JOB.id]


def test_while_nobody_can_write_no_lease_ends(queue, path):
    """The one who computes can't renew its lease then; afterwards it can."""
    alive, other = Leases(queue), Leases(queue)
    alive.hold(queue.claim([BUNDLE]).lease)
    rounds(1, other)
    with closing(sqlite3.connect(path, isolation_level=None)) as locking:
        locking.execute("BEGIN IMMEDIATE")
        for _ in range(2 * DEAD_AFTER):
            for leases in (other, alive):
                with pytest.raises(OperationalError):
                    leases.round()
    rounds(DEAD_AFTER, other, alive)
    assert queue.claim([BUNDLE]) is None


def test_what_is_released_while_nobody_can_write_is_released_afterwards(queue, path):
    leases = Leases(queue)
    claim = queue.claim([BUNDLE])
    leases.hold(claim.lease)
    with closing(sqlite3.connect(path, isolation_level=None)) as locking:
        locking.execute("BEGIN IMMEDIATE")
        leases.release(claim.id, claim.lease)
    assert queue.claim([BUNDLE]) is None
    leases.round()
    assert queue.claim([BUNDLE]).attempts == 1


def test_a_bundle_is_unserved_if_nothing_happens_to_its_jobs_for_long(queue):
    leases = Leases(queue)
    assert [leases.unserved(leases.round()) for _ in range(UNSERVED_AFTER)] == [set()] * UNSERVED_AFTER
    assert leases.unserved(leases.round()) == {BUNDLE}
    queue.claim([BUNDLE])
    assert leases.unserved(leases.round()) == set()
