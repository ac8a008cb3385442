"""The queue of several processes, on both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, update
from werkzeug.exceptions import TooManyRequests

from app.store.database import Database, Prediction, sqlite_url
from app.store.job import Job
from app.store.predictions import Store
from app.store.queue import ARRIVING, LeaseLost, Queue, new_lease
from data_prep.selection.series import Selection
from tests.app.postgres import postgresql
from tests.conftest import make_volume

pytestmark = pytest.mark.slow

BUNDLE = "bundle digest"
PROCESSES = 4


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request, tmp_path_factory) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path_factory.mktemp("queue") / "service.db")
    else:
        with postgresql() as url:
            yield url


class Shared:
    """What each of several processes has: connections, a store and a queue of its own."""

    def __init__(self, url: str, folder: Path, capacity: int = 1000) -> None:
        self.database = Database(url)
        self.store, self.queue = Store(folder, self.database), Queue(self.database, capacity)


@pytest.fixture
def process(url, tmp_path) -> Iterator[Callable[..., Shared]]:
    """Makes them, on an empty database."""
    made = []

    def make(**rest) -> Shared:
        made.append(Shared(url, tmp_path / "predictions", **rest))
        return made[-1]

    yield make
    with made[0].database.write() as session:
        session.execute(delete(Prediction))
    for one in made:
        one.database.close()


def jobs(count: int) -> list[Job]:
    job = Job.of(Selection(make_volume(np.zeros((2, 3, 3), np.float32)), ()), BUNDLE, 1.0)
    return [replace(job, id=f"{n:032x}", created=f"2026-11-21T09:{n:02}:00Z") for n in range(count)]


def attempts(shared: Shared, id_: str) -> int:
    with shared.database.read() as session:
        return session.get(Prediction, id_).attempts


def test_each_job_is_claimed_once_the_oldest_first(process):
    processes = [process() for _ in range(PROCESSES)]
    wanted = jobs(20)
    for job in reversed(wanted):
        processes[0].store.put(job)

    def claim_all(shared: Shared) -> list[str]:
        return [claim.id for claim in iter(lambda: shared.queue.claim([BUNDLE]), None)]

    with ThreadPoolExecutor(PROCESSES) as pool:
        claimed = list(pool.map(claim_all, processes))
    assert sorted(id_ for ids in claimed for id_ in ids) == [job.id for job in wanted]
    assert all(ids == sorted(ids) for ids in claimed)


def test_of_those_who_enter_a_job_at_once_one_stores_it(process, tmp_path):
    processes = [process() for _ in range(PROCESSES)]

    def accept(shared: Shared) -> list[bool]:
        mine = []
        for job in jobs(20):
            lease = new_lease()
            mine.append(shared.queue.enter(job, lease, [BUNDLE]) is None)
            if mine[-1]:
                shared.store.put(job, lease)
        return mine

    with ThreadPoolExecutor(PROCESSES) as pool:
        entered = np.array(list(pool.map(accept, processes)))
    assert entered.sum(axis=0).tolist() == [1] * 20
    assert {path.name for path in (tmp_path / "predictions").glob("[!.]*")} == {job.id for job in jobs(20)}
    assert len(processes[0].store.answers(100, status="queued")) == 20


def test_nobody_sees_a_job_before_its_pixels_are_stored(process):
    shared, (job,) = process(), jobs(1)
    assert shared.queue.enter(job, "lease", [BUNDLE]) is None
    assert shared.queue.enter(job, "another", [BUNDLE]) == ARRIVING
    assert shared.queue.claim([BUNDLE]) is None
    assert shared.store.answers(10) == []
    shared.queue.withdraw(job.id, "lease")
    with pytest.raises(LeaseLost):
        shared.store.put(job, "lease")
    assert shared.queue.waiting() == []


def test_a_failed_job_that_is_withdrawn_has_failed_as_before(process):
    shared, (job,) = process(), jobs(1)
    shared.store.put(job)
    failure = {"id": job.id, "status": "failed"}
    shared.store.finish(job.id, failure)
    assert shared.queue.enter(job, "lease", [BUNDLE]) is None
    assert shared.store.read(job.id).answer == failure
    shared.queue.withdraw(job.id, "lease")
    assert shared.store.answers(10, status="failed") == [failure]


def test_a_lease_that_is_renewed_is_not_ended(process):
    shared, (job,) = process(), jobs(1)
    shared.store.put(job)
    claim = shared.queue.claim([BUNDLE])
    (seen,) = shared.queue.waiting()
    shared.queue.renew([claim.lease])
    shared.queue.end(job.id, claim.lease, seen.beats)
    assert shared.queue.claim([BUNDLE]) is None
    shared.queue.end(job.id, claim.lease, seen.beats + 1)
    assert shared.queue.claim([BUNDLE]).attempts == 2


def test_only_the_holder_of_the_lease_writes_the_answer_and_once(process):
    shared, (job,) = process(), jobs(1)
    shared.store.put(job)
    late = shared.queue.claim([BUNDLE])
    shared.queue.end(job.id, late.lease, 0)
    claim = shared.queue.claim([BUNDLE])
    answer = {"id": job.id, "status": "done"}
    with pytest.raises(LeaseLost):
        shared.store.finish(job.id, answer, lease=late.lease)
    shared.store.finish(job.id, answer, lease=claim.lease)
    with pytest.raises(LeaseLost):
        shared.store.finish(job.id, answer, lease=claim.lease)
    assert shared.store.outcomes([job.id, "gone"]) == {job.id: answer}


def test_an_attempt_that_ends_well_does_not_count(process):
    shared, (job,) = process(), jobs(1)
    shared.store.put(job)
    claim = shared.queue.claim([BUNDLE])
    assert attempts(shared, job.id) == 1
    shared.queue.release(job.id, claim.lease)
    assert attempts(shared, job.id) == 0


def test_only_jobs_of_loaded_bundles_that_have_no_pause_are_claimed(process):
    shared, (first, second) = process(), jobs(2)
    shared.store.put(replace(first, bundle="another"))
    shared.store.put(second)
    assert shared.queue.claim([BUNDLE], {second.id}) is None
    assert shared.queue.claim([BUNDLE]).id == second.id


def test_the_queue_is_never_longer_than_it_may_be(process):
    processes = [process(capacity=3) for _ in range(PROCESSES)]

    def enter(shared: Shared) -> int:
        entered = 0
        for job in jobs(10):
            with suppress(TooManyRequests):
                entered += shared.queue.enter(job, new_lease(), [BUNDLE]) is None
        return entered

    with ThreadPoolExecutor(PROCESSES) as pool:
        assert sum(pool.map(enter, processes)) == 3


def test_jobs_of_other_bundles_take_no_place(process):
    shared, (first, second) = process(capacity=1), jobs(2)
    shared.store.put(replace(first, bundle="another"))
    assert shared.queue.enter(second, "lease", [BUNDLE]) is None


def test_a_failed_job_that_is_sent_again_starts_from_nothing(process):
    """It may be tried as often as a new one."""
    shared, (job,) = process(), jobs(1)
    shared.store.put(job)
    with shared.database.write() as session:
        session.execute(update(Prediction).values(attempts=9))
    shared.store.finish(job.id, {"id": job.id, "status": "failed"})
    shared.queue.enter(job, "lease", [BUNDLE])
    shared.store.put(job, "lease")
    assert shared.queue.claim([BUNDLE]).attempts == 1
