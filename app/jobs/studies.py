"""Studies that are received instance by instance. A prediction starts when no more instances have come for a while.

Their state is in the database, so a restarted service continues where it stopped.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select, update
from werkzeug.exceptions import NotFound, ServiceUnavailable, TooManyRequests

from app.audit import record
from app.contract.problems import outage, reported
from app.jobs.answer import failed
from app.jobs.completeness import incomplete, performed
from app.jobs.engine import Engine
from app.jobs.faults import FAULTS, GIVEN_UP, Failures, Pauses, is_ours
from app.jobs.intake import Accepted, accept
from app.jobs.unchanged import Unchanged
from app.routing.routing import Routing
from app.store.database import Database, Prediction, Study
from app.store.instances import Instances
from app.store.predictions import Store
from data_prep.errors import InputError
from data_prep.selection.side import Side

LOG = logging.getLogger(__name__)


class Studies:
    """Predicts on received studies, and deletes them.

    Args:
        database: Holds the state of the studies.
        instances: Holds their instances.
        store: Holds predictions.
        engine: Computes predictions.
        routing: Which bundle predicts on a study, or that it is ignored.
        data: The data folder. Ignored studies are written into its audit trail.
        quiet_s: How many seconds without a new instance must pass before a prediction.
        announced_wait_s: How many seconds without a new instance must pass if more are announced.
        clock: Gives the time in seconds since 1970.
        elapsed: Gives seconds; only differences count. It goes on evenly when the clock is set.
    """

    def __init__(
        self,
        database: Database,
        instances: Instances,
        store: Store,
        engine: Engine,
        routing: Routing,
        data: Path,
        quiet_s: float,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
        announced_wait_s: float = 0.0,
    ) -> None:
        self._database, self._instances, self._store, self._engine = database, instances, store, engine
        self._routing, self._data = routing, data
        self._quiet_s, self._clock, self._elapsed = quiet_s, clock, elapsed
        self._announced_wait_s = announced_wait_s
        self._pauses, self._failures, self._arrivals = Pauses(elapsed), Failures(), Unchanged()

    def predict_quiet(self) -> None:
        """Predict on the studies that have been quiet long enough. If the queue is full, the rest must wait.

        After a fault of the service or its machine, a study is tried again later; see `app.jobs.faults`.
        """
        quiet = self._quiet()
        if not self._engine.loaded.done():
            return
        for uid in quiet:
            try:
                if not self._ignored(uid):
                    self._predict(uid)
                self._pauses.forget(uid)
            except TooManyRequests:
                return
            except (ServiceUnavailable, *FAULTS) as error:
                LOG.warning("a study that was received can't be predicted on yet: %s", type(error).__name__)
                self._pauses.begin(uid)
            except Exception as error:  # kept as the study's answer
                if outage(error):
                    raise
                LOG.info("a study that was received can't be predicted on: %s", type(error).__name__)

    def _predict(self, uid: str) -> None:
        """Predict on each series that somebody has asked for, or on the one that the service chooses.

        Raises the error of the first one that can't be predicted on, after all.
        """
        rule = self._routing.rule(uid)
        digest = self._engine.bundle(rule.bundle if rule else None).sha256
        asked: list[str | None] = [*self._store.asked_series(uid, digest)] or [None]
        errors = []
        for series_uid in asked:
            try:
                self.predict(uid, series_uid=series_uid, by_itself=True)
            except InputError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _quiet(self) -> list[str]:
        """The studies that have been quiet long enough, the longest first, without those that met a fault just now.

        How long a study was quiet before this process saw it is read from the clock. From then on it is counted, so a
        clock that is set changes nothing.
        """
        receiving = select(Study.uid, Study.received).where(Study.state == "receiving")
        with self._database.read() as session:
            received = {row.uid: row.received for row in session.execute(receiving)}
        ages = self._arrivals.ages(received, self._elapsed(), lambda since: max(0.0, self._clock() - since))
        quiet = sorted((uid for uid, age_s in ages.items() if age_s >= self._quiet_s), key=lambda uid: -ages[uid])
        waiting = self._pauses.current() | self._incomplete(uid for uid in quiet if ages[uid] < self._announced_wait_s)
        return [uid for uid in quiet if uid not in waiting]

    def _incomplete(self, uids: Iterable[str]) -> set[str]:
        """Those of these studies of which more is to come, as headers or a modality say."""
        with self._database.read() as session:
            return incomplete(session, list(uids))

    def predict(
        self,
        uid: str,
        bundle: str | None = None,
        laterality: Side | None = None,
        series_uid: str | None = None,
        by_itself: bool = False,
    ) -> Accepted:
        """Predict on a study, with the instances received so far.

        Args:
            uid: The study's UID.
            bundle: Name of the bundle; None for the one of the study's rule, or else the default one.
            laterality: The knee to predict on, if the study shows both.
            series_uid: The series to predict on; None: the service chooses.
            by_itself: Whether nobody waits for the answer.

        Raises:
            NotFound: No instance of the study was received.
            InputError: The study can't be predicted on. This is also stored as a failed answer, except if somebody asks
                for a series: whoever asks is told, and other series may be fit.
            TooManyRequests: The queue is full.
            Exception: A fault of this program. If it was the last try, this is also stored as a failed answer.
        """
        rule = self._routing.rule(uid) if bundle is None else None
        digest = self._engine.bundle(rule.bundle if rule else bundle).sha256
        with self._database.read() as session:
            received = session.scalar(select(Study.received).where(Study.uid == uid))
            images = performed(session, uid)
        if received is None:
            raise NotFound("No instance of this study was received; it may have been deleted, or have expired.")
        refused_id = hashlib.sha256(f"{uid} {digest}".encode()).hexdigest()[:32]
        try:
            files = self._instances.files(uid)
            accepted = accept(self._engine, files, digest, laterality, performed=images, series_uid=series_uid)
        except (TooManyRequests, ServiceUnavailable, *FAULTS):
            raise
        except Exception as error:
            if outage(error):  # of the machine: the study isn't the cause
                raise
            if series_uid is not None and not by_itself:
                raise
            problem = reported(error)
            if is_ours(error):
                if not self._failures.is_enough(uid):
                    self._pauses.begin(uid)
                    raise
                problem = GIVEN_UP
            self._store.refuse(uid, digest, failed(refused_id, problem))
            self._settle(uid, received, refused_id)
            raise
        self._failures.forget(uid)
        with suppress(NotFound):
            self._store.delete(refused_id)
        self._settle(uid, received, accepted.id)
        return accepted

    def _ignored(self, uid: str) -> bool:
        """Whether a rule wants a study ignored. Its instances stay; if more come, the rules are asked again."""
        with self._database.read() as session:
            received = session.scalar(select(Study.received).where(Study.uid == uid))
        rule = self._routing.rule(uid)
        if rule is None or not rule.ignore:
            return False
        unchanged = update(Study).where(Study.uid == uid, Study.received == received)
        with self._database.write() as session:
            session.execute(unchanged.values(state="ignored"))
        LOG.info("a study that was received is ignored, as rule %r says", rule.name)
        record(self._data, "study", "ignored", study=uid, subject=rule.name)
        return True

    def forget(self, uid: str) -> None:
        """Delete everything of a study: instances, predictions, results. Raises NotFound if there is nothing."""
        absence = None
        try:
            self._instances.delete_study(uid)
        except NotFound as error:
            absence = error
        # Listed after the study is deleted: `_settle` deletes any prediction that is made from now on.
        predictions = self._store.of_study(uid)
        if absence is not None and not predictions:
            raise absence
        for id_ in predictions:
            with suppress(NotFound):
                self._store.delete(id_)
        self._instances.delete_results(uid)  # stored since the study was deleted, by a delivery in progress

    def forget_prediction(self, id_: str) -> None:
        """Delete a prediction and its results. The received instances stay. Raises NotFound if there is none."""
        uid = self._store.delete(id_)
        self._instances.delete_results(uid)
        # This also deleted the results of the study's other predictions. They are stored again.
        with self._database.erase() as session:
            session.execute(update(Prediction).where(Prediction.study_uid == uid).values(published=False))

    def _settle(self, uid: str, received: float, prediction: str) -> None:
        """Mark a study as predicted, unless another instance has come since. Raises NotFound if it has been deleted."""
        unchanged = update(Study).where(Study.uid == uid, Study.received == received)
        with self._database.write() as session:
            session.execute(unchanged.values(state="predicted", prediction=prediction))
            is_there = session.scalar(select(Study.uid).where(Study.uid == uid)) is not None
        if not is_there:
            with suppress(NotFound):
                self._store.delete(prediction)
            raise NotFound("This study was deleted during the prediction.")
