"""Which jobs this process computes: those it claims in the database, and those it accepts while it is idle."""

import logging
import threading
from collections.abc import Collection
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from app.contract.json_text import Json
from app.jobs.answer import Answered
from app.jobs.awaited import Awaited
from app.jobs.faults import FAULTS, Pauses
from app.jobs.leases import Leases
from app.store.job import Job
from app.store.predictions import Store
from app.store.queue import Queue

LOG = logging.getLogger(__name__)
# Seconds between an idle engine's looks for a job that another process has accepted or left.
LOOK_S = 0.5
# Seconds that a request waits for the end of such a look.
SEAT_S = 0.02
# Seconds between tries to store an answer. After the last one the job is left, and computed again later.
FINISH_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


def _done() -> "Future[None]":
    done: Future[None] = Future()
    done.set_result(None)
    return done


@dataclass(frozen=True)
class Work:
    """A job that this process computes.

    Attributes:
        lease: This process holds the job by it.
        attempts: How often a process began to compute the job, without those that ended well.
        job: The job; None if it is to be read from the store.
        stored: Done when the job is in the store, or holds the error that prevented it.
    """

    id: str
    lease: str
    attempts: int = 1
    job: Job | None = None
    stored: "Future[None]" = field(default_factory=_done)


class Claims:
    """The jobs of this process."""

    def __init__(self, store: Store, queue: Queue, awaited: Awaited) -> None:
        self._store, self._queue, self._awaited = store, queue, awaited
        self.leases = Leases(queue)
        self._pauses = Pauses()
        # Who holds it chooses what the engine computes next. It is given on with the job.
        self._seat = threading.Lock()
        # None: look into the database.
        self._given: SimpleQueue[Work | None] = SimpleQueue()
        self._over = threading.Event()

    def stop(self) -> None:
        """Claim no more jobs."""
        self._over.set()
        self.wake()

    def wake(self) -> None:
        """There may be a job to claim."""
        self._given.put(None)

    def enter(self, job: Job, bundles: Collection[str], again: bool = False) -> "Future[Json] | str":
        """Enter and store a job that no process has. An idle engine begins to compute it before it is stored.

        Args:
            job: The job.
            bundles: The bundles that this process has loaded.
            again: Enter also a job that is done, because its files are lost.

        Returns:
            The future answer, or the status of a job that is there already.

        Raises:
            TooManyRequests: The queue is full.
            LeaseLost: The job was deleted while it was stored, or this process seemed dead.
        """
        with ExitStack() as undo:
            lease = self.leases.new()
            undo.callback(self.leases.drop, lease)
            if seated := self._seat.acquire(timeout=SEAT_S):
                undo.callback(self._seat.release)
            status = self._queue.enter(job, lease, bundles, again)
            if status is not None:
                return status
            undo.pop_all()
        answer = self._awaited.of(job.id)
        self._keep(Work(job.id, lease, job=job, stored=Future()), job, seated)
        return answer

    def _keep(self, work: Work, job: Job, seated: bool) -> None:
        if seated:
            self._given.put(work)
        try:
            self._store.put(job, work.lease, keep_lease=seated)
        except BaseException as error:
            work.stored.set_exception(error)
            self._awaited.forget(work.id)
            self.leases.drop(work.lease)
            with suppress(*FAULTS):  # if it isn't withdrawn, its lease will end
                self._queue.withdraw(work.id, work.lease)
            raise
        work.stored.set_result(None)
        if not seated:
            self.leases.drop(work.lease)
            self.wake()

    def next(self, bundles: Collection[str]) -> Work | None:
        """Wait a moment for a job to compute. `finish`, `drop` or `put_off` must follow, then `rest`."""
        with suppress(Empty):
            given = self._given.get(timeout=LOOK_S)
            if given is not None:
                return given
        if self._over.is_set() or not self._seat.acquire(blocking=False):
            return None
        with ExitStack() as undo:
            undo.callback(self._seat.release)
            claim = self._queue.claim(bundles, self._pauses.current())
            if claim is None:
                return None
            undo.pop_all()
        self.leases.hold(claim.lease)
        return Work(*claim)

    def rest(self) -> None:
        """The engine may get the next job."""
        self._seat.release()
        self.wake()

    def finish(self, work: Work, answer: Json, made: Answered | None) -> None:
        """Store an answer, and give it to everyone who waits. Tried several times if there is a fault.

        Raises:
            NotFound: The job was deleted.
            LeaseLost: Another process computes or has answered it.
        """
        maps, footprint = (made.prediction.maps, made.prediction.footprint) if made else (None, None)
        for pause_s in (*FINISH_PAUSES_S, None):
            try:
                answer = self._store.finish(work.id, answer, maps, footprint, work.lease)
                break
            except FAULTS as error:
                if pause_s is None or self._over.wait(pause_s):
                    raise
                LOG.warning("the answer of %s can't be stored yet: %s", work.id, type(error).__name__)
        self._pauses.forget(work.id)
        self.drop(work, answer)

    def drop(self, work: Work, outcome: Json | BaseException | None) -> None:
        """Have no more to do with a job. `outcome` is for everyone who waits; if it is None, they still wait."""
        self.leases.drop(work.lease)
        if outcome is not None:
            self._awaited.settle(work.id, outcome)

    def put_off(self, work: Work) -> None:
        """Leave a job, which met a fault: to other processes at once, and to this one after a pause."""
        self._pauses.begin(work.id)
        self.leases.release(work.id, work.lease)

    def leave(self) -> None:
        """Leave the jobs that were given and never begun. Only after the engine has ended."""
        with suppress(Empty):
            while True:
                if (work := self._given.get_nowait()) is not None:
                    self.leases.release(work.id, work.lease)
