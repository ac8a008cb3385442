"""Brings the DICOM results of predictions to their targets: beside the study, and to others by STOW-RS or C-STORE.

Each target has its own thread and its own turn, so a slow one delays no other. Each delivery has its own fate: what
happens to one, whatever it is, is the outcome of this one only.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from http.client import HTTPException
from io import BytesIO

import pydicom
from werkzeug.exceptions import Gone, NotFound

from app.associations.address import Address, is_dicom
from app.associations.opening import NotOpened, Ours, Patience
from app.contract.problems import log_unexpected, outage
from app.delivery import store_outcome, store_scu
from app.delivery.deliveries import ARRIVED, FEW_TRIES, HERE, MANY_TRIES, ONE_TRY, Deliveries, Outcome
from app.delivery.stow_client import Limits, store
from app.delivery.stow_outcome import outcome_of, outcome_without_answer
from app.delivery.withdrawal import SUPERSEDED
from app.store.database import Delivery
from app.store.instances import Instances, NotKept
from app.store.superseding import Reference

LOG = logging.getLogger(__name__)
# Nobody outside can change it.
OURS = "a fault of this service; its log says where"
NOTHING = Outcome(
    "there is nothing to deliver: files of the prediction are missing or expired, or an old version made it", ONE_TRY
)
NO_LONGER = Outcome(SUPERSEDED, ONE_TRY)
BEING_READ = Outcome("the results that it rejects are being read here", MANY_TRIES)


class Delivering:
    """Makes results and delivers them.

    Args:
        deliveries: Says what is due, and keeps what happened.
        instances: Where results are stored beside their study.
        make: Makes the results of a prediction, as files; raises NotFound if there are none.
        make_note: Makes the note that rejects the results of a superseded prediction; raises NotFound if it can't.
        urls: Address of each target besides `HERE`, by its name; it may contain user and password.
        clock: Gives the time in seconds since 1970.
        limits: Limits of a request to a target, and of an association with one.
        ours: How we present ourselves to targets that speak DIMSE.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        instances: Instances,
        make: Callable[[str], Sequence[bytes]],
        urls: dict[str, str],
        clock: Callable[[], float],
        limits: Limits,
        ours: Ours,
        make_note: Callable[[str], bytes],
    ) -> None:
        self._deliveries, self._instances = deliveries, instances
        self._make, self._make_note = make, make_note
        self._urls, self._clock, self._limits, self._ours = urls, clock, limits, ours
        # Results are made one at a time, because they need much memory.
        self._making = threading.Lock()

    def deliver(self, target: str) -> bool:
        """Try the delivery to a target that is due longest. Returns whether there was one."""
        delivery = self._deliveries.claim(target)
        if delivery is None:
            return False
        try:
            study_uid = self._deliveries.study_of(delivery.prediction)
            outcome = self._outcome(delivery)
            if not self._deliveries.settle(delivery, outcome):
                self._clean_up(target, study_uid)
            elif outcome != ARRIVED:
                LOG.warning("prediction %s to %s: %s", delivery.prediction, target, outcome.text)
        finally:
            self._deliveries.drop(delivery)
        return True

    def _outcome(self, delivery: Delivery) -> Outcome:
        """Make the results and bring them to their target."""
        try:
            with self._making:
                files = [self._make_note(delivery.prediction)] if delivery.note else self._make(delivery.prediction)
        except NotFound:
            return NOTHING
        except Gone:
            return NO_LONGER
        except MemoryError:  # may pass, like the next ones
            return Outcome("the results can't be made now: the service has too little memory", MANY_TRIES)
        except OSError:
            return Outcome("the results can't be made now: the service's disk is full or can't be used", MANY_TRIES)
        except Exception as error:
            log_unexpected(error)
            return Outcome(f"the results can't be made: {OURS}", FEW_TRIES)
        try:
            if not self._deliveries.announce(delivery, _references(files)):
                return NO_LONGER
            return self._kept(delivery, files) if delivery.target == HERE else self._sent(delivery.target, files)
        except Exception as error:
            log_unexpected(error)
            fault = outage(error)
            return Outcome(f"can't be tried now: {fault.description if fault else OURS}", MANY_TRIES)

    def _kept(self, delivery: Delivery, files: Sequence[bytes]) -> Outcome:
        """Store results beside their study, or a note instead of the results that it rejects."""
        try:
            self._instances.keep(files)
        except NotKept as error:
            return Outcome(f"can't be stored: {error}", MANY_TRIES)
        return self._withdrawn(delivery.prediction) if delivery.note else ARRIVED

    def _withdrawn(self, prediction: str) -> Outcome:
        """Delete superseded results from here. This comes last: until it has succeeded, it is tried again."""
        study_uid = self._deliveries.study_of(prediction)
        if study_uid is None:
            return NO_LONGER
        return ARRIVED if self._instances.withdraw(study_uid, self._deliveries.brought(prediction)) else BEING_READ

    def _sent(self, target: str, files: Sequence[bytes]) -> Outcome:
        if is_dicom(self._urls[target]):
            return self._stored(Address.parse(self._urls[target]), files)
        try:
            answer = store(self._urls[target], files, self._limits)
        except (OSError, HTTPException) as error:
            return outcome_without_answer(error)
        return outcome_of(answer, [one.sop_uid for one in _references(files)], self._clock())

    def _stored(self, peer: Address, files: Sequence[bytes]) -> Outcome:
        patience = Patience(self._limits.connect_s, self._limits.silence_s, self._limits.total_s)
        try:
            return store_outcome.outcome_of(store_scu.store(peer, files, self._ours, patience))
        except (NotOpened, store_scu.Ended, OSError, ValueError) as error:
            return store_outcome.outcome_without_statuses(error)

    def _clean_up(self, target: str, study_uid: str | None) -> None:
        """Delete results that were stored beside a study while their prediction was deleted or made anew."""
        if target == HERE and study_uid is not None:
            self._instances.delete_results(study_uid)
            self._deliveries.schedule_again(study_uid)  # the results of the study's present predictions


def _references(files: Sequence[bytes]) -> list[Reference]:
    """What identifies each object. Raises any exception for what isn't DICOM."""
    headers = [pydicom.dcmread(BytesIO(file), stop_before_pixels=True) for file in files]
    return [Reference(str(one.SOPClassUID), str(one.SeriesInstanceUID), str(one.SOPInstanceUID)) for one in headers]
