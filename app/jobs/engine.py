"""The one thread that owns the models, and the bounded queue before it.

Keras is imported, bundles are loaded and networks run in this thread only. What waits in the queue lies in the store,
so the queue takes no memory and a restart takes it up again. An idle engine begins while a study is being stored.
"""

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from werkzeug.exceptions import BadRequest, InternalServerError, NotFound, ServiceUnavailable, TooManyRequests

from app.contract.json_text import Json
from app.contract.problems import reported
from app.jobs.answer import answered, failed
from app.store.job import Job
from app.store.predictions import Store

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.predictor import Predictor

LOG = logging.getLogger(__name__)
RETRY_AFTER_S = 5
# A study that was being computed when the process died is tried again, but not for ever: it may be what killed it.
MAX_ATTEMPTS = 3
# One prediction takes a second or so; a thread that hasn't ended by then is stuck.
STOP_S = 30.0


@dataclass(frozen=True)
class _Pending:
    """A job under way: its answer to come, and when it is safe in the store."""

    answer: "Future[Json]"
    stored: "Future[None]"


class Engine:
    """Answers jobs one after another. `capacity`: how many may wait or be computed at one time.

    loaded: done once every bundle has reproduced its golden answer, or with the error that prevented it.
    """

    def __init__(self, bundles: Iterable[Path], store: Store, capacity: int) -> None:
        self.loaded: Future[None] = Future()
        self._folders = tuple(bundles)
        self._store = store
        self._capacity = capacity
        self._predictors: dict[str, Predictor] = {}
        # A job that is being stored, or the id of one that is stored.
        self._queue: SimpleQueue[Job | str | None] = SimpleQueue()
        self._in_flight: dict[str, _Pending] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the job at hand; the others stay in the store and are taken up at the next start."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(STOP_S)

    def bundles(self) -> tuple["Bundle", ...]:
        """Every bundle, the default one first. ServiceUnavailable until they are loaded."""
        if not self.loaded.done():
            raise ServiceUnavailable("The model is still being loaded.", retry_after=RETRY_AFTER_S)
        if self.loaded.exception() is not None:
            raise ServiceUnavailable("The model can't be loaded; the log says why.")
        return tuple(predictor.bundle for predictor in self._predictors.values())

    def bundle(self, name: str | None) -> "Bundle":
        """A loaded bundle, the default one for None; BadRequest lists the names that there are."""
        bundles = {bundle.name: bundle for bundle in self.bundles()}
        if name is None:
            return next(iter(bundles.values()))
        if name not in bundles:
            raise BadRequest(f"There is no bundle of this name; loaded are: {', '.join(bundles)}.")
        return bundles[name]

    def submit(self, job: Job) -> tuple["Future[Json]", bool]:
        """The answer to come, and whether the job is new; a study that is known or under way is not computed again.

        When this returns, the job is in the store. TooManyRequests when the queue is full.
        """
        with self._lock:
            pending = self._in_flight.get(job.id)
            is_new = pending is None
            if pending is None:
                if (known := self._known(job.id)) is not None:
                    return known, False
                if len(self._in_flight) >= self._capacity:
                    raise TooManyRequests(f"{self._capacity} studies are waiting already.", retry_after=RETRY_AFTER_S)
                idle = not self._in_flight
                pending = self._in_flight[job.id] = _Pending(Future(), Future())
        if is_new:
            self._accept(job, pending, idle)
        pending.stored.result()
        return pending.answer, is_new

    def _accept(self, job: Job, pending: _Pending, idle: bool) -> None:
        if idle:
            self._queue.put(job)
        try:
            self._store.put(job)
        except BaseException as error:
            pending.stored.set_exception(error)
            if not idle:
                self._settle(job.id, error)
            raise
        pending.stored.set_result(None)
        if not idle:
            self._queue.put(job.id)

    def _known(self, id_: str) -> "Future[Json] | None":
        try:
            known = self._store.read(id_).answer
        except NotFound:
            return None
        if known["status"] != "done":
            return None
        future: Future[Json] = Future()
        future.set_result(known)
        return future

    def _work(self) -> None:
        try:
            self._load()
            for left in self._store.waiting():
                self._in_flight[left] = _Pending(Future(), Future())
                self._in_flight[left].stored.set_result(None)
                self._queue.put(left)
        except Exception as error:
            LOG.critical("the model can't be loaded: %s", error)
            self.loaded.set_exception(error)
            return
        self.loaded.set_result(None)
        while (waiting := self._queue.get()) is not None and not self._stopping:
            id_ = waiting if isinstance(waiting, str) else waiting.id
            try:
                self._settle(id_, self._answer(id_, waiting))
            except Exception as error:  # Whatever one study does, the thread goes on for the others.
                self._settle(id_, error)

    def _load(self) -> None:
        # Here and not above: importing takes seconds, in which the service can say already that it lives.
        from models.bundle import load_bundle
        from models.predictor import Predictor

        for folder in self._folders:
            bundle = load_bundle(folder)
            self._predictors[bundle.sha256] = Predictor(bundle)

    def _settle(self, id_: str, outcome: Json | BaseException) -> None:
        with self._lock:
            future = self._in_flight.pop(id_).answer
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _answer(self, id_: str, waiting: Job | str) -> Json:
        """Compute one job and store its answer, also when the answer is that there is none."""
        stored = self._in_flight[id_].stored
        try:
            job = self._again(waiting) if isinstance(waiting, str) else waiting
            result = answered(self._predictor(job), job)
            stored.result()
            self._store.finish(id_, result.answer, result.prediction.maps, result.prediction.footprint)
            return result.answer
        except NotFound:  # Deleted while it waited or was computed.
            raise
        except Exception as error:
            stored.result()
            failure = failed(id_, reported(error))
            self._store.finish(id_, failure)
            return failure

    def _again(self, id_: str) -> Job:
        """A stored job; InternalServerError if the service stopped too often while it computed it."""
        job = self._store.read(id_).job
        if self._store.begin(id_) > MAX_ATTEMPTS:
            raise InternalServerError(
                f"The service stopped at least {MAX_ATTEMPTS} times while it computed this study."
            )
        return job

    def _predictor(self, job: Job) -> "Predictor":
        if job.bundle not in self._predictors:
            raise ServiceUnavailable("The bundle that was asked for is no longer loaded. Send the study again.")
        return self._predictors[job.bundle]
