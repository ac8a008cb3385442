"""Receives instances: each file is checked and written, then all are moved to their places and listed at once."""

import errno
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.exceptions import ServiceUnavailable

from app.contract.problems import OURS, log_unexpected
from app.store.adoption import row_of
from app.store.database import Announced, Database, Instance, Prediction, Study, batched
from app.store.disk.instance_folder import InstanceFolder, write
from app.store.files.instance_file import Failure, Refusal
from app.store.files.sent_file import Facts, Reader, own
from app.store.index.renewal import enter
from app.store.queue import FAILED
from app.store.superseding import returned
from data_prep.deidentify.deidentifier import Deidentifier

# A disk flushes several files at once in about the time of one. As many files again may wait in memory.
WRITERS = 8


@dataclass(frozen=True)
class Receipt:
    """What happened to one file.

    Attributes:
        name: The name that the sender or caller gave the file.
        reason: Why it isn't stored; None if it is stored.
        text: The reason for people; never quotes the file.
        changed: Whether the patient's identity was removed; UIDs are those of the stored instance.
        preamble: Whether it had a preamble that isn't blank, which is stored as zeros.
    """

    name: str
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str = ""
    series_uid: str = ""
    reason: Failure | None = None
    text: str = ""
    changed: bool = False
    preamble: bool = False


@dataclass(frozen=True, eq=False)
class _Arrival:
    """A file that is being written; `written` will give its digest and size.

    Attributes:
        sent_uid: The SOPInstanceUID that the sender gave it.
        facts: What is known of the file that is stored.
    """

    sent_uid: str
    facts: Facts
    path: Path
    written: "Future[tuple[str, int]]"


class Receiver:
    """Puts files into a folder and lists them in a database.

    Args:
        folder: The folder.
        database: The database.
        deidentifier: Removes the patient's identity from what is received; None if it may stay.
    """

    def __init__(self, folder: InstanceFolder, database: Database, deidentifier: Deidentifier | None) -> None:
        self._folder, self._database, self._deidentifier = folder, database, deidentifier
        self._writers = ThreadPoolExecutor(WRITERS, "store")

    def store(
        self,
        files: Iterable[tuple[str, BinaryIO | bytes]],
        study_uid: str | None,
        ours: bool,
        caller: str | None = None,
    ) -> list[Receipt]:
        """Check and store files, see `Instances.receive`.

        Args:
            files: Names and contents.
            study_uid: The study that the files must belong to; None allows any.
            ours: Whether they are results that this service made.
            caller: Who sends them, for rules.
        """
        receipts: list[Receipt] = []
        arrivals: dict[int, _Arrival] = {}
        reader = Reader(study_uid, self._deidentifier, self._folder.incoming)
        paths = self._folder.new_files()
        try:
            for index, (name, content) in enumerate(files):
                try:
                    sent, kept, stream = own(content) if ours else reader.read(content)
                except Refusal as refusal:
                    receipts.append(_refused(name, refusal))
                    continue
                except OSError as error:
                    log_unexpected(error)
                    receipts.append(_refused(name, _unwritten(error)))
                    continue
                receipts.append(replace(_stored(name, kept), changed=kept is not sent, preamble=sent.preamble))
                if earlier := arrivals.get(index - 2 * WRITERS):
                    earlier.written.exception()  # wait, so that at most 2 * WRITERS files are in memory
                path = next(paths)
                written = self._writers.submit(write, path, stream, kept.start)
                arrivals[index] = _Arrival(sent.sop_instance_uid, kept, path, written)
            for index, failure in self._enlist(arrivals, ours, caller).items():
                sent_uid = arrivals[index].sent_uid
                receipts[index] = replace(
                    receipts[index], sop_instance_uid=sent_uid, reason=failure.reason, text=failure.text
                )
            return receipts
        finally:
            wait(arrival.written for arrival in arrivals.values())
            for arrival in arrivals.values():
                arrival.path.unlink(missing_ok=True)

    def _enlist(self, arrivals: Mapping[int, _Arrival], ours: bool, caller: str | None) -> dict[int, Refusal]:
        """Move files to their final paths and add their rows.

        A file that is listed but missing, or hasn't its size, is written again.

        Returns:
            The reason for each file that isn't stored.
        """
        failures: dict[int, Refusal] = {}
        rows, lost, again = list[Instance](), list[Instance](), set[str]()
        listed: list[Facts] = []
        with self._folder.alone(), self._database.write() as session:
            uids = [arrival.facts.sop_instance_uid for arrival in arrivals.values()]
            known = rows_of(session, uids)
            results = set[str]() if ours else returned(session, uids)
            for index, arrival in arrivals.items():
                try:
                    digest, size = arrival.written.result()
                except OSError as error:
                    log_unexpected(error)
                    failures[index] = _unwritten(error)
                    continue
                row = known.get(arrival.facts.sop_instance_uid)
                if row is None and arrival.facts.sop_instance_uid in results:
                    continue  # a target sends it back; it is stored beside its study by its own delivery, or superseded
                if row is None:
                    row = row_of(arrival.facts, digest, size, ours)
                    known[row.sop_uid] = row
                    rows.append(row)
                    listed.append(arrival.facts)
                    self._folder.move(arrival.path, row.study_uid, row.digest)
                elif digest == row.digest and not self._folder.holds(row.study_uid, digest, row.size):
                    row.size, row.stored = size, time.time()
                    lost.append(row)
                    self._folder.move(arrival.path, row.study_uid, row.digest)
                elif digest != row.digest and not row.ours:
                    failures[index] = Refusal(Failure.DUPLICATE, "Another instance with this UID is stored already.")
                elif not row.ours:
                    again.add(row.study_uid)
            for uid in {row.study_uid for row in (*rows, *lost)}:
                self._folder.flush(uid)
            if not ours:
                for uid in {row.study_uid for row in (*rows, *lost) if not row.ours}:
                    study = session.merge(Study(uid=uid, state="receiving", received=time.time()))
                    if caller is not None:
                        study.callers = sorted({*(study.callers or ()), caller})
                    _want_results(session, uid)
                _announce(session, listed)
                for uid in again:
                    _want_prediction(session, uid)
                for uid in {row.study_uid for row in lost}:  # its results may be lost, too: they are stored again
                    session.execute(update(Prediction).where(Prediction.study_uid == uid).values(published=False))
            session.add_all(rows)
            for uid in {row.study_uid for row in rows}:
                enter(session, uid, [row.sop_uid for row in rows if row.study_uid == uid])
        return failures


def rows_of(session: Session, sop_uids: Sequence[str]) -> dict[str, Instance]:
    """The rows of those instances that are stored, by UID."""
    return {
        row.sop_uid: row
        for batch in batched(sop_uids)
        for row in session.scalars(select(Instance).where(Instance.sop_uid.in_(batch)))
    }


def _announce(session: Session, listed: Iterable[Facts]) -> None:
    """Write down how many instances headers announce."""
    numbers: dict[tuple[str, str], int] = {}
    for facts in listed:
        for key, number in (
            ((facts.study_uid, facts.series_uid), facts.series_instances),
            ((facts.study_uid, ""), facts.study_instances),
        ):
            numbers[key] = max(numbers.get(key, 0), number)
    for key, number in numbers.items():
        known = session.get(Announced, key)
        if number > (known.instances if known else 0):
            session.merge(Announced(study_uid=key[0], series_uid=key[1], instances=number))


def _want_prediction(session: Session, study_uid: str) -> None:
    """Let a study be predicted on again, because it was sent again: if its pixels or maps have expired, or if the
    service, not the study, was the cause of its failure.
    """
    kind, status = Prediction.answer["problem", "type"].as_string(), Prediction.answer["problem", "status"].as_integer()
    ours = (kind == OURS) | (status == ServiceUnavailable.code)
    wanted = select(Prediction.id).where(
        Prediction.study_uid == study_uid,
        Prediction.pixels_expired | Prediction.maps_expired | ((Prediction.status == FAILED) & ours),
    )
    if session.scalar(wanted.limit(1)) is not None:
        session.merge(Study(uid=study_uid, state="receiving", received=time.time()))


def _want_results(session: Session, study_uid: str) -> None:
    """Let results that have expired be stored beside a study again, because the study was sent again."""
    expired = update(Prediction).where(Prediction.study_uid == study_uid, Prediction.results_expired)
    session.execute(expired.values(results_expired=False, published=False))


def _refused(name: str, refusal: Refusal) -> Receipt:
    return Receipt(name, refusal.sop_class_uid, refusal.sop_instance_uid, reason=refusal.reason, text=refusal.text)


def _unwritten(error: OSError) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refusal(Failure.RESOURCES, "The service's disk is full.")
    return Refusal(Failure.PROCESSING, "The service can't write it to its disk.")


def _stored(name: str, kept: Facts) -> Receipt:
    return Receipt(name, kept.sop_class_uid, kept.sop_instance_uid, kept.study_uid, kept.series_uid)
