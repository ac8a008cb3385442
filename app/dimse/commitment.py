"""Storage commitment (PS3.4 annex J, push model): which instances are held, so that a sender may delete its own.

The answer to an N-ACTION only says that it was understood. What is held is said afterwards by an N-EVENT-REPORT: on an
association of our own if the peer is one of the destinations, and on the peer's association otherwise.
"""

import logging
import threading
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary, WeakSet

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.events import Event
from pynetdicom.presentation import build_context, build_role
from sqlalchemy.exc import SQLAlchemyError

from app.associations.opening import NotOpened, Patience, association
from app.audit import record
from app.dimse import peer
from app.dimse.contexts import COMMITMENT, COMMITMENT_INSTANCE
from app.dimse.held import Held
from app.dimse.identifier import attributes
from app.dimse.sending import sop_class
from app.service.dimse_settings import DimseSettings

LOG = logging.getLogger(__name__)
TRANSACTION, REFERENCES = 0x00081195, 0x00081199
# Action types, event types (PS3.4 J.3.2, J.3.3).
REQUEST, ALL_HELD, SOME_MISSING = 1, 1, 2
# Statuses (PS3.7 annex C): no such action, invalid argument value, resource limitation.
SUCCESS, NO_SUCH_ACTION, INVALID, TOO_MANY = 0x0000, 0x0123, 0x0115, 0x0213
# Failure reasons (PS3.3 C.14.1.1): no such object instance, class / instance conflict.
MISSING, OTHER_CLASS = 0x0112, 0x0119
# Seconds before each try to bring a report to a destination. After the last one, the peer must ask again.
TRIES_S = (0.0, 5.0, 30.0)
# Seconds in which a peer can release its association, before a report would get in its way.
GRACE_S = 1.0
# Reports that may be on their way at one time.
REPORTS = 16


class Commitment:
    """Answers who asks whether instances are held.

    Args:
        held: What is held.
        dimse: Where reports may be sent to, and our AE title.
        data: The data folder. Reports are written into its audit trail.
    """

    def __init__(self, held: Held, dimse: DimseSettings, data: Path) -> None:
        self._held, self._ours, self._data = held, dimse.ours, data
        self._destinations = {one.title: one for one in dimse.destinations}
        self._unanswered: WeakKeyDictionary[Association, Dataset] = WeakKeyDictionary()
        self._reports: WeakSet[threading.Thread] = WeakSet()

    def promise(self, event: Event) -> tuple[int, None]:
        """Answer an N-ACTION."""
        if event.action_type != REQUEST:
            return NO_SUCH_ACTION, None
        try:
            asked = _read(event)
        except Exception:  # pydicom may raise any exception
            return INVALID, None
        if sum(thread.is_alive() for thread in self._reports) >= REPORTS:
            return TOO_MANY, None
        self._unanswered[event.assoc] = asked
        return SUCCESS, None

    def report_if_answered(self, event: Event) -> None:
        """Report in a thread of its own, as soon as the answer to the N-ACTION has been sent."""
        if (asked := self._unanswered.pop(event.assoc, None)) is not None:
            thread = threading.Thread(target=self._report, args=(event, asked), name="commitment", daemon=True)
            self._reports.add(thread)
            thread.start()

    def _report(self, event: Event, asked: Dataset) -> None:
        outcome = "not delivered"
        try:
            report, kind = self._made(asked)
            if self._delivered(event, report, kind):
                outcome = "all held" if kind == ALL_HELD else f"{len(report.FailedSOPSequence)} not held"
        except SQLAlchemyError as error:
            LOG.error("a storage commitment couldn't be answered: %s", type(error).__name__)
        finally:
            record(self._data, "N-EVENT-REPORT", outcome, **peer.who(event))

    def _made(self, asked: Dataset) -> tuple[Dataset, int]:
        """The report, and its event type."""
        report = Dataset()
        report.TransactionUID, report.RetrieveAETitle = asked.TransactionUID, self._ours.title
        wanted = [_pair(item) for item in asked.ReferencedSOPSequence]
        rows = self._held.present({uid for _, uid in wanted})
        found = [_reference(*pair) for pair in wanted if pair[1] in rows and sop_class(rows[pair[1]]) == pair[0]]
        failed = []
        for class_uid, uid in wanted:
            if uid not in rows or sop_class(rows[uid]) != class_uid:
                failed.append(_reference(class_uid, uid))
                failed[-1].FailureReason = OTHER_CLASS if uid in rows else MISSING
        if found:
            report.ReferencedSOPSequence = found
        if failed:
            report.FailedSOPSequence = failed
        return report, SOME_MISSING if failed else ALL_HELD

    def _delivered(self, event: Event, report: Dataset, kind: int) -> bool:
        destination = self._destinations.get(peer.title(event))
        if destination is None:
            threading.Event().wait(GRACE_S)
            return _said(event.assoc, report, kind)
        context = build_context(COMMITMENT)
        role = build_role(COMMITMENT, scp_role=True)
        for pause_s in TRIES_S:
            threading.Event().wait(pause_s)
            try:
                with association(destination, self._ours, [context], Patience(), [role]) as opened:
                    if _said(opened, report, kind):
                        return True
            except (NotOpened, OSError, ValueError) as error:
                LOG.warning("a storage commitment report couldn't be delivered: %s", type(error).__name__)
        return False


def _read(event: Event) -> Dataset:
    """The transaction and the references of an N-ACTION, within limits. Raises any exception if there are none."""
    asked = attributes(event, cast(N_ACTION, event.request).ActionInformation, (TRANSACTION, REFERENCES))
    if not asked.TransactionUID or not [_pair(item) for item in asked.ReferencedSOPSequence]:
        raise ValueError
    return asked


def _pair(item: Dataset) -> tuple[str, str]:
    return str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)


def _reference(class_uid: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, uid
    return item


def _said(opened: Association, report: Dataset, kind: int) -> bool:
    """Whether a peer has taken a report on this association."""
    try:
        answer, _ = opened.send_n_event_report(report, kind, COMMITMENT, COMMITMENT_INSTANCE)
    except (RuntimeError, ValueError):  # it has ended, or has no such context
        return False
    return bool(answer.get("Status") == SUCCESS)
