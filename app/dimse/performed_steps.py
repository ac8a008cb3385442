"""Modality Performed Procedure Step (PS3.4 F.7): what a modality has done, and how many images it made of each series.

Only UIDs, the status and numbers are kept. They say whether a study is here as a whole (app/jobs/completeness.py).
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import N_CREATE, N_SET
from pynetdicom.events import Event
from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.audit import record
from app.dimse import peer
from app.dimse.identifier import attributes
from app.jobs.completeness import COMPLETED, DISCONTINUED, IN_PROGRESS, incomplete
from app.service.condition import Condition
from app.store.database import Database, PerformedStep, Study
from data_prep.deidentify.deidentifier import Deidentifier
from data_prep.dicom.part10 import is_uid

LOG = logging.getLogger(__name__)
# ScheduledStepAttributesSequence, PerformedProcedureStepStatus, PerformedSeriesSequence.
TAGS = SCHEDULED, STATUS, SERIES = 0x00400270, 0x00400252, 0x00400340
# Statuses (PS3.7 annex C): invalid attribute value, processing failure, duplicate SOP instance, no such object
# instance, invalid object instance, missing attribute, missing attribute value, resource limitation.
SUCCESS, INVALID, FAILURE, DUPLICATE, UNKNOWN = 0x0000, 0x0106, 0x0110, 0x0111, 0x0112
NO_UID, MISSING, EMPTY, NO_ROOM = 0x0117, 0x0120, 0x0121, 0x0213
# What comes with a processing failure if a step is over (PS3.4 table F.7.2-2).
IS_OVER, OVER_ID = "Performed Procedure Step Object may no longer be updated", 0xA710
# Seconds after which a step is forgotten whose study never came.
UNUSED_S = 30 * 86_400.0


class Refused(Exception):
    """A request can't be followed.

    Attributes:
        status: The status of the answer.
        is_over: Whether the step is completed or discontinued.
    """

    def __init__(self, status: int, is_over: bool = False) -> None:
        self.status, self.is_over = status, is_over


class PerformedSteps:
    """Keeps what modalities say about their work.

    Args:
        database: Where it is kept.
        condition: Says whether something can be stored.
        deidentifier: Gives the UIDs under which instances are stored; None if they keep those that were sent.
        data: The data folder. Requests are written into its audit trail.
    """

    def __init__(self, database: Database, condition: Condition, deidentifier: Deidentifier | None, data: Path) -> None:
        self._database, self._condition, self._data = database, condition, data
        self._stored_uid: Callable[[str], str] = deidentifier.pseudonyms.uid if deidentifier else str

    def create(self, event: Event) -> tuple[Dataset, None]:
        """Answer an N-CREATE: a modality has begun."""
        return self._answered(event, "N-CREATE", self._created)

    def set(self, event: Event) -> tuple[Dataset, None]:
        """Answer an N-SET: a modality has gone on, or is done."""
        return self._answered(event, "N-SET", self._changed)

    def _answered(self, event: Event, what: str, follow: Callable[[Event], str]) -> tuple[Dataset, None]:
        answer, study = Dataset(), None
        answer.Status = SUCCESS
        try:
            if fault := self._condition.fault():
                LOG.error("a performed procedure step couldn't be stored: %s", fault)
                raise Refused(NO_ROOM)
            study = follow(event)
        except Refused as refusal:
            answer.Status = refusal.status
            if refusal.is_over:
                answer.ErrorComment, answer.ErrorID = IS_OVER, OVER_ID
        except SQLAlchemyError as error:
            LOG.error("a performed procedure step couldn't be stored: %s", type(error).__name__)
            answer.Status = FAILURE
        record(self._data, what, f"{answer.Status:04X}H", study=study, **peer.who(event))
        return answer, None

    def _created(self, event: Event) -> str:
        """Keep a new step. Returns its study."""
        request = cast(N_CREATE, event.request)
        uid, sent = self._uid(request.AffectedSOPInstanceUID, NO_UID), _read(event, request.AttributeList)
        if _status(sent) != IN_PROGRESS:  # PS3.4 F.7.2.1.3
            raise Refused(INVALID)
        study, series, now = self._study(sent), self._series(sent), time.time()
        with self._database.write() as session:
            if session.get(PerformedStep, uid) is not None:
                raise Refused(DUPLICATE)
            unused = PerformedStep.begun < now - UNUSED_S, PerformedStep.study_uid.not_in(select(Study.uid))
            session.execute(delete(PerformedStep).where(*unused))
            session.add(PerformedStep(uid=uid, study_uid=study, state=IN_PROGRESS, series=series, begun=now))
        return study

    def _changed(self, event: Event) -> str:
        """Change a step that is in progress. Returns its study."""
        request = cast(N_SET, event.request)
        uid, sent = self._uid(request.RequestedSOPInstanceUID, NO_UID), _read(event, request.ModificationList)
        with self._database.write() as session:
            step = session.get(PerformedStep, uid, with_for_update=True)
            if step is None:
                raise Refused(UNKNOWN)
            if step.state != IN_PROGRESS:
                raise Refused(FAILURE, is_over=True)
            if STATUS in sent:
                step.state = _status(sent)
            if SERIES in sent:  # with all its items (PS3.4 F.7.2.2.2)
                step.series = self._series(sent)
            session.flush()
            if step.state == COMPLETED:
                _predict_again(session, step.study_uid)
            return step.study_uid

    def _study(self, sent: Dataset) -> str:
        """The study of a step: all its images are in one (PS3.4 F.7.2.1.2)."""
        if SCHEDULED not in sent:
            raise Refused(MISSING)
        items = sent.ScheduledStepAttributesSequence
        return self._uid(items[0].get("StudyInstanceUID") if items else None, EMPTY)

    def _series(self, sent: Dataset) -> dict[str, int]:
        """How many images there are of each series. Other objects don't count: no slice is one."""
        images: dict[str, set[str]] = {}
        for item in sent.get("PerformedSeriesSequence") or ():
            references = item.get("ReferencedImageSequence") or ()
            of_series = images.setdefault(self._uid(item.get("SeriesInstanceUID"), INVALID), set())
            of_series.update(str(one.get("ReferencedSOPInstanceUID")) for one in references)
        return {uid: len(sop_uids) for uid, sop_uids in images.items()}

    def _uid(self, sent: object, status: int) -> str:
        """A UID as instances are stored. Raises Refused with this status if it is none."""
        if not is_uid(str(sent or "")):
            raise Refused(status)
        return self._stored_uid(str(sent))


def _read(event: Event, sent: object) -> Dataset:
    try:
        return attributes(event, sent, TAGS)  # type: ignore[arg-type]  # pynetdicom doesn't say that it is BytesIO
    except Exception:  # pydicom may raise any exception
        raise Refused(FAILURE) from None


def _status(sent: Dataset) -> str:
    """PerformedProcedureStepStatus. Raises Refused if it is missing or unknown."""
    if STATUS not in sent:
        raise Refused(MISSING)
    status = str(sent[STATUS].value or "").strip()
    if status not in (IN_PROGRESS, COMPLETED, DISCONTINUED):
        raise Refused(INVALID if status else EMPTY)
    return status


def _predict_again(session: Session, study_uid: str) -> None:
    """If a study was predicted on without images that were made, wait for them. A result without them then says so."""
    if incomplete(session, [study_uid]):
        predicted = update(Study).where(Study.uid == study_uid, Study.state == "predicted")
        session.execute(predicted.values(state="receiving", received=time.time()))
