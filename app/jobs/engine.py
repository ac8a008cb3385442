"""The one thread that owns the models, and its bounded queue.

Only this thread imports Keras, loads bundles and runs networks. Jobs that wait in the queue are in the store, so the
queue takes no memory and continues after a restart. An idle engine begins to compute while the study is being stored.
"""

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from werkzeug.exceptions import BadRequest, InternalServerError, NotFound, ServiceUnavailable, TooManyRequests

from app.contract.json_text import Json
from app.contract.problems import reported
from app.jobs.answer import answered, failed
from app.store.disk.shared_folder import FileLost
from app.store.job import Job
from app.store.predictions import Record, Store

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.predictor import Predictor

LOG = logging.getLogger(__name__)
RETRY_AFTER_S = 5
# If the process dies while it computes a study, this study is tried again at most this often: it may be the cause.
MAX_ATTEMPTS = 3
# Seconds. One prediction takes about a second; a thread that hasn't ended by then is stuck.
STOP_S = 30.0


@dataclass(frozen=True)
class _Pending:
    """A job in progress. `answer` will give its answer; `stored` is done when the job is in the store."""

    answer: "Future[Json]"
    stored: "Future[None]"


class Engine:
    """Answers jobs one after another.

    Args:
        bundles: Folders of the bundles; the first one is the default.
        store: Holds jobs and answers.
        capacity: How many jobs may wait or be computed at one time.

    Attributes:
        loaded: Done when every bundle has reproduced its golden answer, or holds the error that prevented it.
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
        """Start to load the bundles; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current job. The others stay in the store and continue at the next start."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(STOP_S)

    def bundles(self) -> tuple["Bundle", ...]:
        """Every bundle, the default one first. Raises ServiceUnavailable until they are loaded."""
        if not self.loaded.done():
            raise ServiceUnavailable("The model is still being loaded.", retry_after=RETRY_AFTER_S)
        if self.loaded.exception() is not None:
            raise ServiceUnavailable("The model can't be loaded; the log says why.")
        return tuple(predictor.bundle for predictor in self._predictors.values())

    def bundle(self, name: str | None) -> "Bundle":
        """A loaded bundle by name; None gives the default one. Raises BadRequest for an unknown name."""
        bundles = {bundle.name: bundle for bundle in self.bundles()}
        if name is None:
            return next(iter(bundles.values()))
        if name not in bundles:
            raise BadRequest(f"There is no bundle of this name; the loaded bundles are: {', '.join(bundles)}.")
        return bundles[name]

    def submit(self, job: Job) -> tuple["Future[Json]", bool]:
        """Put a job in the queue. When this returns, the job is in the store.

        A study that is answered or in progress already isn't computed again, except if its pixels or maps were lost.

        Returns:
            The future answer, and whether the job is new.

        Raises:
            TooManyRequests: The queue is full.
        """
        with self._lock:
            pending = self._in_flight.get(job.id)
            is_new = pending is None
            if pending is None:
                if (known := self._done(job.id)) is not None:
                    if known.is_whole():
                        return _future(known.answer), False
                    job = replace(job, created=known.answer["created"])  # so its DICOM results are the same as before
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

    def _done(self, id_: str) -> Record | None:
        try:
            known = self._store.read(id_)
        except NotFound:
            return None
        return known if known.status == "done" else None

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
            except Exception as error:  # An error in one study must not end the thread.
                self._settle(id_, error)

    def _load(self) -> None:
        # Imported here because this takes seconds, while the service can already answer `/healthz`.
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
        """Compute one job and store its answer, which may be a failure."""
        stored = self._in_flight[id_].stored
        try:
            job = self._again(waiting) if isinstance(waiting, str) else waiting
            result = answered(self._predictor(job), job)
            stored.result()
            self._store.finish(id_, result.answer, result.prediction.maps, result.prediction.footprint)
            return result.answer
        except Exception as error:
            if isinstance(error, NotFound) and not isinstance(error, FileLost):
                raise  # Deleted while it waited or was computed.
            stored.result()
            failure = failed(id_, reported(error))
            self._store.finish(id_, failure)
            return failure

    def _again(self, id_: str) -> Job:
        """A stored job. Raises InternalServerError if the service stopped too often while it computed this job."""
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


def _future(answer: Json) -> "Future[Json]":
    """An answer that is known already, in the form of one that is computed."""
    future: Future[Json] = Future()
    future.set_result(answer)
    return future
