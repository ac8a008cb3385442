"""The one thread that owns the models. It computes the jobs of a queue that all processes with one database share.

Only this thread imports Keras, loads bundles and runs networks. Jobs are claimed in the database (app/store/queue.py).
So the queue takes no memory, it continues after a restart, and no two processes compute the same job.
"""

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.exceptions import BadRequest, InternalServerError, NotFound, ServiceUnavailable

from app.contract.json_text import Json
from app.contract.problems import log_unexpected, reported
from app.jobs.answer import Answered, answered, failed
from app.jobs.awaited import Awaited
from app.jobs.claims import Claims, Work
from app.jobs.faults import FAULTS, GIVEN_UP, Failures, is_ours
from app.jobs.periodic import Periodic
from app.jobs.unchanged import BEAT_S
from app.store.job import Job
from app.store.predictions import Store
from app.store.queue import ARRIVING, DONE, RETRY_AFTER_S, LeaseLost, Queue

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.predictor import Predictor

LOG = logging.getLogger(__name__)
# A study is tried at most this often if processes die while they compute it: it may be the cause.
MAX_ATTEMPTS = 3
# Seconds. One prediction takes about a second; a thread that hasn't ended by then is stuck.
STOP_S = 30.0
# Seconds between two looks for a job that another request is storing, and for answers of other processes.
ARRIVAL_S, ANSWER_S = 0.05, 0.2
# Seconds after a fault that isn't a job's.
PAUSE_S = 1.0
LOST = "The service has lost the pixels of this study. Send the study again."
UNSERVED = "The bundle that was asked for is no longer loaded. Send the study again."


class Engine:
    """Answers jobs one after another.

    Args:
        bundles: Folders of the bundles; the first one is the default.
        store: Holds jobs and answers.
        queue: Says who computes which job.

    Attributes:
        loaded: Done when every bundle has reproduced its golden answer, or holds the error that prevented it.
    """

    def __init__(self, bundles: Iterable[Path], store: Store, queue: Queue) -> None:
        self.loaded: Future[None] = Future()
        self._folders = tuple(bundles)
        self._store, self._queue = store, queue
        self._predictors: dict[str, Predictor] = {}
        self._awaited = Awaited(store)
        self._claims, self._failures = Claims(store, queue, self._awaited), Failures()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._rounds = (Periodic("leases", self._round, BEAT_S), Periodic("answers", self._look, ANSWER_S))

    def start(self) -> None:
        """Start to load the bundles; returns at once."""
        self._thread.start()
        for work in self._rounds:
            work.start()

    def stop(self) -> None:
        """Stop after the current job. The others stay in the store, for other processes or the next start."""
        self._stopping = True
        self._claims.stop()
        self._thread.join(STOP_S)
        for work in self._rounds:
            work.stop()
        if not self._thread.is_alive():
            self._claims.leave()

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

        A study that is answered or in progress already, in any process, isn't computed again, except if its pixels or
        maps were lost.

        Returns:
            The future answer, and whether the job is new.

        Raises:
            TooManyRequests: The queue is full.
            ServiceUnavailable: The database or the disk has a fault.
        """
        while True:
            try:
                entered = self._claims.enter(job, tuple(self._predictors))
                if entered == DONE and not self._store.read(job.id).is_whole():
                    entered = self._claims.enter(self._as_before(job), tuple(self._predictors), again=True)
                if isinstance(entered, Future):
                    return entered, True
                if entered != ARRIVING:
                    answer = self._awaited.of(job.id)
                    self._awaited.look()  # it may be there already
                    return answer, False
                time.sleep(ARRIVAL_S)  # another request stores the job; if that one fails, this one will store it
            except (LeaseLost, NotFound):  # deleted meanwhile
                continue
            except FAULTS as error:
                log_unexpected(error)
                text = "The study can't be stored now. Send it again in a moment."
                raise ServiceUnavailable(text, retry_after=RETRY_AFTER_S) from error

    def asked_again(self, job: Job) -> Job:
        """A job under the id that it gets now.

        If a series is asked for again after another one, that is a new result: no replaced one becomes valid again.
        """
        while job.asked and self._store.gave_way(job.id):
            job = job.anew()
        return job

    def _as_before(self, job: Job) -> Job:
        """A job that is computed again gets its former time, so that its DICOM results are the same as before."""
        return replace(job, created=self._store.read(job.id).answer["created"])

    def _work(self) -> None:
        try:
            self._load()
        except Exception as error:
            LOG.critical("the model can't be loaded: %s", error)
            self.loaded.set_exception(error)
            return
        self.loaded.set_result(None)
        while not self._stopping:
            try:
                self._turn()
            except Exception as error:  # Nothing may end the thread.
                log_unexpected(error)
                time.sleep(PAUSE_S)

    def _load(self) -> None:
        # Imported here because this takes seconds, while the service can already answer `/healthz`.
        from models.bundle import load_bundle
        from models.predictor import Predictor

        for folder in self._folders:
            bundle = load_bundle(folder)
            self._predictors[bundle.sha256] = Predictor(bundle)

    def _turn(self) -> None:
        """Compute one job, if there is one."""
        work = self._claims.next(tuple(self._predictors))
        if work is None:
            return
        try:
            self._answer(work)
        except NotFound as error:  # Deleted while it waited or was computed.
            self._claims.drop(work, error)
        except LeaseLost:
            LOG.warning("%s was left to another process, because this one didn't renew its lease in time", work.id)
            self._claims.drop(work, None)
        except Exception as error:  # The study isn't the cause.
            log_unexpected(error)
            self._claims.put_off(work)
        finally:
            self._claims.rest()

    def _answer(self, work: Work) -> None:
        """Compute a job and store its answer, which may be a failure. Raises faults after which it is tried again."""
        made = None
        try:
            made = self._made(work)
            answer = made.answer
        except (NotFound, *FAULTS):
            if work.stored.exception() is None:
                raise
        except Exception as error:
            ours = is_ours(error) and work.stored.exception() is None
            if ours and not self._failures.is_enough(work.id):
                raise
            problem = reported(error)
            answer = failed(work.id, GIVEN_UP if ours else problem)
        if work.stored.exception() is None:  # otherwise the request has told its client
            self._claims.finish(work, answer, made)
            self._failures.forget(work.id)

    def _made(self, work: Work) -> Answered:
        if work.attempts > MAX_ATTEMPTS:
            raise InternalServerError(f"The service stopped {MAX_ATTEMPTS} times while it computed this study.")
        job = work.job or self._job(work.id)
        predictor = self._predictors[job.bundle]
        made = answered(predictor, job)
        if made.prediction.located and not made.prediction.located.box:
            counts = ", ".join(f"{code} {count}" for code, count in predictor.not_located.items())
            text = "%s: the localiser found no ligament that it could use; bundle %s since the start: %s"
            LOG.warning(text, job.id, predictor.bundle.name, counts or "no reason given")
        return made

    def _job(self, id_: str) -> Job:
        """A stored job. Raises ServiceUnavailable if its pixels are lost, NotFound if it was deleted."""
        record = self._store.read(id_)
        try:
            return record.job
        except NotFound:
            self._store.read(id_)
            raise ServiceUnavailable(LOST) from None

    def _look(self) -> None:
        try:
            self._awaited.look()
        except FAULTS:
            time.sleep(PAUSE_S)
            raise

    def _round(self) -> None:
        """Renew leases, end those of dead processes, and give up jobs that no process can compute."""
        waiting = self._claims.leases.round()
        if not self.loaded.done():
            return
        for bundle in self._claims.leases.unserved(waiting) - self._predictors.keys():
            while (claim := self._queue.claim([bundle])) is not None:
                self._store.finish(
                    claim.id, failed(claim.id, reported(ServiceUnavailable(UNSERVED))), lease=claim.lease
                )
