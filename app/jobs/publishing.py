"""What becomes of an answer by itself: its DICOM results are laid beside their study, and sent to other systems.

Both stand in the database until they are done, so a restart loses and repeats nothing.
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
# The next try comes after this time, then after twice as much, and so on; the last one a day and a half later.
RETRY_S, RETRIES = 30.0, 12
CONNECT_S, ANSWER_S = 10.0, 60.0
DELIVERED = "delivered"
# So many at one time; the others wait for the next round.
BATCH = 20


class Publishing:
    """make: the results of a prediction, as files; NotFound where there are none.

    targets: DICOMweb addresses that every result is stored at (STOW-RS); user and password may stand in them.
    """

    def __init__(
        self, database: Database, instances: Instances, make: Callable[[str], list[bytes]], targets: Sequence[str]
    ) -> None:
        self._database, self._instances, self._make = database, instances, make
        self._targets = {_without_secrets(target): target for target in targets}

    def publish(self) -> None:
        """Lay results beside each study that the service holds, and note who shall get them."""
        held = Prediction.study_uid.in_(select(Study.uid))
        due = select(Prediction.id, Prediction.study_uid).where(
            Prediction.status == "done", Prediction.published.is_(False)
        )
        with self._database.read() as session:
            found = session.execute((due if self._targets else due.where(held)).limit(BATCH)).all()
        for id_, study_uid in found:
            try:
                self._instances.keep(self._make(id_))
            except NotFound:  # Deleted meanwhile, or of a time before there were DICOM results.
                pass
            except ValueError as error:
                log_unexpected(error)
            self._note(id_, study_uid)

    def _note(self, id_: str, study_uid: str) -> None:
        """Results lie beside the study now; each target shall get them, once."""
        published = update(Prediction).where(Prediction.id == id_).values(published=True)
        with self._database.write() as session:
            is_there = session.scalar(published.returning(Prediction.id)) is not None
            for target in self._targets if is_there else ():
                if session.get(Delivery, (id_, target)) is None:
                    session.add(Delivery(prediction=id_, target=target, attempts=0, due=time.time()))
        if not is_there:  # deleted meanwhile
            self._instances.delete_results(study_uid)

    def deliver(self) -> None:
        """Send what is due; try again later what may work later. What a target refuses (4xx) is never sent again."""
        due = select(Delivery).where(Delivery.due <= time.time()).order_by(Delivery.due).limit(BATCH)
        with self._database.read() as session:
            deliveries = list(session.scalars(due))
        for delivery in deliveries:
            delivery.attempts += 1
            delivery.outcome, again = self._sent(delivery)
            delivery.due = time.time() + RETRY_S * 2 ** (delivery.attempts - 1) if again else None
            if delivery.attempts > RETRIES:
                delivery.due = None
            if delivery.outcome != DELIVERED:
                LOG.warning("prediction %s to %s: %s", delivery.prediction, delivery.target, delivery.outcome)
            with self._database.write() as session:
                session.merge(delivery)

    def _sent(self, delivery: Delivery) -> tuple[str, bool]:
        """What came of one try, and whether to try again."""
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
            return f"out of reach: {type(error).__name__}", True
        return (f"{len(failed)} of {len(files)} objects refused", False) if failed else (DELIVERED, False)


def _client(url: str) -> DICOMwebClient:
    parts, session = urlsplit(url), Session()
    session.trust_env = False  # no proxy and no .netrc: what is configured is all
    if parts.username is not None:
        session.auth = (unquote(parts.username), unquote(parts.password or ""))
    client = DICOMwebClient(_without_secrets(url), session=session, timeout=(CONNECT_S, ANSWER_S))
    client.set_http_retry_params(retry=False)
    return client


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
