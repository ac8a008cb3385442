"""C-STORE: an instance is received (PS3.4 annex B)."""

import logging
from pathlib import Path
from weakref import WeakKeyDictionary

from pynetdicom.association import Association
from pynetdicom.events import Event

from app.audit import record
from app.dimse import peer
from app.service.condition import Condition
from app.store.files.instance_file import Failure
from app.store.instances import Instances

LOG = logging.getLogger(__name__)
# The second one: stored without the patient's identity (PS3.4 B.2.3, coercion of data elements).
SUCCESS, COERCED = 0x0000, 0xB000
# C-STORE's statuses that differ from STOW-RS's failure reasons (PS3.7 annex C).
STATUSES = {Failure.DUPLICATE: 0x0111, Failure.OTHER_STUDY: 0x0117, Failure.TRANSFER_SYNTAX: 0xC122}


class Storing:
    """Stores what peers send.

    Args:
        instances: Where instances are stored.
        condition: Says whether something can be stored.
        data: The data folder. What is stored is written into its audit trail.
    """

    def __init__(self, instances: Instances, condition: Condition, data: Path) -> None:
        self._instances, self._condition, self._data = instances, condition, data
        # Studies and statuses that are in the audit trail: another instance of them in an association adds nothing.
        self._written: WeakKeyDictionary[Association, set[tuple[str, int]]] = WeakKeyDictionary()

    def store(self, event: Event) -> int:
        """Store an instance. Returns the status."""
        status, study = self._stored(event)
        written = self._written.setdefault(event.assoc, set())
        if (study, status) not in written:
            written.add((study, status))
            record(self._data, "C-STORE", f"{status:04X}H", study=study or None, **peer.who(event))
        return status

    def _stored(self, event: Event) -> tuple[int, str]:
        """The status of an instance, and the UID of its study if it is stored."""
        if fault := self._condition.fault():
            LOG.error("an instance couldn't be stored: %s", fault)
            return Failure.RESOURCES, ""
        path = event.dataset_path
        try:
            (receipt,) = self._instances.receive([("instance", path.open("rb"))], caller=peer.title(event))
        except Exception as error:
            LOG.error("an instance couldn't be stored: %s", type(error).__name__)  # its message may quote a header
            return Failure.RESOURCES, ""
        if receipt.reason is None:
            return COERCED if receipt.changed else SUCCESS, receipt.study_uid
        LOG.warning("an instance was refused: %s", receipt.text)
        return STATUSES.get(receipt.reason, receipt.reason), ""
