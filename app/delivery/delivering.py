"""Brings the DICOM results of predictions to their targets: beside the study, and to other systems by STOW-RS.

Each target has its own thread and its own turn, so a slow one delays no other. Each delivery has its own fate: what
happens to one, whatever it is, is the outcome of this one only.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from http.client import HTTPException
from io import BytesIO

import pydicom
from werkzeug.exceptions import NotFound

from app.contract.problems import log_unexpected
from app.delivery.stow_client import Limits, store
from app.delivery.stow_outcome import outcome_of, outcome_without_answer
from app.store.database import Delivery
from app.store.deliveries import ARRIVED, FEW_TRIES, HERE, MANY_TRIES, ONE_TRY, Deliveries, Outcome
from app.store.instances import Instances, NotKept

LOG = logging.getLogger(__name__)
NOTHING = Outcome(
    "there is nothing to deliver: files of the prediction are missing, or an old version made it", ONE_TRY
)


class Delivering:
    """Makes results and delivers them.

    Args:
        deliveries: Says what is due, and keeps what happened.
        instances: Where results are stored beside their study.
        make: Makes the results of a prediction, as files; raises NotFound if there are none.
        urls: Address of each target besides `HERE`, by its name; it may contain user and password.
        clock: Gives the time in seconds since 1970.
        limits: Limits of a request to a target.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        instances: Instances,
        make: Callable[[str], Sequence[bytes]],
        urls: dict[str, str],
        clock: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._deliveries, self._instances, self._make = deliveries, instances, make
        self._urls, self._clock, self._limits = urls, clock, limits
        # Results are made one at a time, because they need much memory.
        self._making = threading.Lock()

    def deliver(self, target: str) -> bool:
        """Try the delivery to a target that is due longest. Returns whether there was one."""
        delivery = self._deliveries.claim(target)
        if delivery is None:
            return False
        study_uid = self._deliveries.study_of(delivery.prediction)
        outcome = self._outcome(delivery)
        if not self._deliveries.settle(delivery, outcome):
            self._clean_up(target, study_uid)
        elif outcome != ARRIVED:
            LOG.warning("prediction %s to %s: %s", delivery.prediction, target, outcome.text)
        return True

    def _outcome(self, delivery: Delivery) -> Outcome:
        """Make the results and bring them to their target."""
        try:
            with self._making:
                files = self._make(delivery.prediction)
        except NotFound:
            return NOTHING
        except (OSError, MemoryError) as error:  # may pass
            return Outcome(f"the results can't be made now: {type(error).__name__}", MANY_TRIES)
        except Exception as error:
            log_unexpected(error)
            return Outcome(f"the results can't be made: {type(error).__name__}", FEW_TRIES)
        try:
            return self._kept(files) if delivery.target == HERE else self._sent(delivery.target, files)
        except Exception as error:
            log_unexpected(error)
            return Outcome(f"failed: {type(error).__name__}", MANY_TRIES)

    def _kept(self, files: Sequence[bytes]) -> Outcome:
        try:
            self._instances.keep(files)
        except NotKept as error:
            return Outcome(f"can't be stored: {error}", MANY_TRIES)
        return ARRIVED

    def _sent(self, target: str, files: Sequence[bytes]) -> Outcome:
        try:
            answer = store(self._urls[target], files, self._limits)
        except (OSError, HTTPException) as error:
            return outcome_without_answer(error)
        headers = [pydicom.dcmread(BytesIO(file), stop_before_pixels=True) for file in files]
        return outcome_of(answer, [str(header.SOPInstanceUID) for header in headers], self._clock())

    def _clean_up(self, target: str, study_uid: str | None) -> None:
        """Delete results that were stored beside a study while their prediction was deleted or made anew."""
        if target == HERE and study_uid is not None:
            self._instances.delete_results(study_uid)
            self._deliveries.schedule_again(study_uid)  # the results of the study's present predictions
