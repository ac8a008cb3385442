"""The studies that came instance by instance: each is judged once no more of it has come for a while.

All that is known of them stands in the database, so a restart goes on where the last one stopped.
"""

import hashlib
import logging
import time
from contextlib import suppress

from sqlalchemy import select, update
from werkzeug.exceptions import NotFound, ServiceUnavailable, TooManyRequests

from app.contract.problems import reported
from app.jobs.answer import failed
from app.jobs.engine import Engine
from app.jobs.intake import Accepted, accept
from app.store.database import Database, Prediction, Study
from app.store.instances import Instances
from app.store.predictions import Store
from data_prep.selection.side import Side

LOG = logging.getLogger(__name__)


class Studies:
    """What is to be done with received studies. quiet_s: how long nothing more must have come, in seconds."""

    def __init__(self, database: Database, instances: Instances, store: Store, engine: Engine, quiet_s: float) -> None:
        self._database, self._instances, self._store, self._engine = database, instances, store, engine
        self._quiet_s = quiet_s

    def predict_quiet(self) -> None:
        """Judge what has been quiet for long enough; what the service has no room for yet waits for the next time."""
        due = select(Study.uid).where(Study.state == "receiving", Study.received <= time.time() - self._quiet_s)
        with self._database.read() as session:
            uids = list(session.scalars(due.order_by(Study.received)))
        for uid in uids:
            try:
                self.predict(uid)
            except (TooManyRequests, ServiceUnavailable):
                return
            except Exception as error:  # kept as the study's answer
                LOG.info("a study that was received can't be judged: %s", type(error).__name__)

    def predict(self, uid: str, bundle: str | None = None, laterality: Side | None = None) -> Accepted:
        """Judge a study as far as it has come, with the bundle of that name (None: the default one).

        laterality: the knee that is meant, where the study shows both.

        What is wrong with it is raised, and kept as a failed answer. NotFound if nothing of it was received.
        """
        digest = self._engine.bundle(bundle).sha256
        with self._database.read() as session:
            received = session.scalar(select(Study.received).where(Study.uid == uid))
        if received is None:
            raise NotFound("No instance of this study was received; it may have been deleted.")
        refused_id = hashlib.sha256(f"{uid} {digest}".encode()).hexdigest()[:32]
        try:
            accepted = accept(self._engine, self._instances.files(uid), digest, laterality)
        except (TooManyRequests, ServiceUnavailable):
            raise
        except Exception as error:
            self._store.refuse(uid, digest, failed(refused_id, reported(error)))
            self._settle(uid, received, refused_id)
            raise
        with suppress(NotFound):
            self._store.delete(refused_id)
        self._settle(uid, received, accepted.id)
        return accepted

    def forget(self, uid: str) -> None:
        """Everything of a study: instances, predictions, results. NotFound if there is nothing."""
        absence = None
        try:
            self._instances.delete_study(uid)
        except NotFound as error:
            absence = error
        # Listed when the study has gone: what comes of it from now on, `_settle` removes.
        predictions = self._store.of_study(uid)
        if absence is not None and not predictions:
            raise absence
        for id_ in predictions:
            with suppress(NotFound):
                self._store.delete(id_)

    def forget_prediction(self, id_: str) -> None:
        """A prediction and its results; what was received of the study stays. NotFound if there is none."""
        uid = self._store.delete(id_)
        self._instances.delete_results(uid)
        # Results of the study's other predictions went with them, and are laid beside it again.
        with self._database.write() as session:
            session.execute(update(Prediction).where(Prediction.study_uid == uid).values(published=False))

    def _settle(self, uid: str, received: float, prediction: str) -> None:
        """Nothing more is to be done, unless another instance has come since; NotFound if the study has gone."""
        judged = update(Study).where(Study.uid == uid, Study.received == received)
        with self._database.write() as session:
            session.execute(judged.values(state="predicted", prediction=prediction))
            is_there = session.scalar(select(Study.uid).where(Study.uid == uid)) is not None
        if not is_there:
            with suppress(NotFound):
                self._store.delete(prediction)
            raise NotFound("This study was deleted while it was judged.")
