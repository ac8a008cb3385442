"""What happens automatically to an answer: its DICOM results are stored beside the study and sent to other systems.

Both tasks are in the database until they are done, so a restart loses and repeats nothing.
"""

import logging
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from urllib.parse import unquote, urlsplit, urlunsplit

import pydicom
from dicomweb_client.api import DICOMwebClient
from requests import Session
from requests.exceptions import HTTPError, RequestException
from sqlalchemy import select, update
from werkzeug.exceptions import NotFound

from app.contract.problems import log_unexpected
from app.store.database import Database, Delivery, Prediction, Study
from app.store.instances import Instances

LOG = logging.getLogger(__name__)
# Seconds until the second try. Each wait is twice the one before, so the last try is a day and a half after the first.
RETRY_S, RETRIES = 30.0, 12
CONNECT_S, ANSWER_S = 10.0, 60.0
DELIVERED = "delivered"
# At most this many in one round; the others wait for the next round.
BATCH = 20


class Publishing:
    """Stores and sends the DICOM results of predictions.

    Args:
        database: Holds what is to be done.
        instances: Where results are stored.
        make: Makes the results of a prediction, as files; raises NotFound if there are none.
        targets: DICOMweb addresses that every result is sent to (STOW-RS); they may contain user and password.
        clock: Gives the time in seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        instances: Instances,
        make: Callable[[str], list[bytes]],
        targets: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._instances, self._make = database, instances, make
        self._clock = clock
        self._targets = {_without_secrets(target): target for target in targets}

    def publish(self) -> None:
        """Store results beside each study that the service holds, and schedule their delivery to the targets."""
        held = Prediction.study_uid.in_(select(Study.uid))
        due = select(Prediction.id, Prediction.study_uid).where(
            Prediction.status == "done", Prediction.published.is_(False)
        )
        with self._database.read() as session:
            found = session.execute((due if self._targets else due.where(held)).limit(BATCH)).all()
        for id_, study_uid in found:
            try:
                self._instances.keep(self._make(id_))
            except NotFound:  # Deleted meanwhile, or stored by a version without DICOM results.
                pass
            except ValueError as error:
                log_unexpected(error)
            self._note(id_, study_uid)

    def _note(self, id_: str, study_uid: str) -> None:
        """Note that the results are stored beside the study, and schedule one delivery to each target."""
        published = update(Prediction).where(Prediction.id == id_).values(published=True)
        with self._database.write() as session:
            is_there = session.scalar(published.returning(Prediction.id)) is not None
            for target in self._targets if is_there else ():
                if session.get(Delivery, (id_, target)) is None:
                    session.add(Delivery(prediction=id_, target=target, attempts=0, due=self._clock()))
        if not is_there:  # deleted meanwhile
            self._instances.delete_results(study_uid)

    def deliver(self) -> None:
        """Send the results that are due. Failures are tried again later, except refusals (4xx)."""
        due = select(Delivery).where(Delivery.due <= self._clock()).order_by(Delivery.due).limit(BATCH)
        with self._database.read() as session:
            deliveries = list(session.scalars(due))
        for delivery in deliveries:
            delivery.attempts += 1
            delivery.outcome, again = self._sent(delivery)
            delivery.due = self._clock() + RETRY_S * 2 ** (delivery.attempts - 1) if again else None
            if delivery.attempts > RETRIES:
                delivery.due = None
            if delivery.outcome != DELIVERED:
                LOG.warning("prediction %s to %s: %s", delivery.prediction, delivery.target, delivery.outcome)
            with self._database.write() as session:
                session.merge(delivery)

    def _sent(self, delivery: Delivery) -> tuple[str, bool]:
        """Try once. Returns the outcome, and whether to try again."""
        url = self._targets.get(delivery.target)
        if url is None:
            return "this target is no longer configured", False
        try:
            files = self._make(delivery.prediction)
            datasets = [pydicom.dcmread(BytesIO(file)) for file in files]
            failed = _client(url).store_instances(datasets).get("FailedSOPSequence") or ()
        except NotFound:
            return "there is nothing to send; the prediction may have been deleted", False
        except HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            return f"refused with status {status}", not 400 <= status < 500
        except RequestException as error:
            return f"can't be reached: {type(error).__name__}", True
        return (f"{len(failed)} of {len(files)} objects refused", False) if failed else (DELIVERED, False)


def _client(url: str) -> DICOMwebClient:
    parts, session = urlsplit(url), Session()
    session.trust_env = False  # use no proxy and no .netrc, only what is configured
    if parts.username is not None:
        session.auth = (unquote(parts.username), unquote(parts.password or ""))
    client = DICOMwebClient(_without_secrets(url), session=session, timeout=(CONNECT_S, ANSWER_S))
    client.set_http_retry_params(retry=False)
    return client


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
