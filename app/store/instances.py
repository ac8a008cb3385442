"""The instances that the service holds: files in a folder, and what they are in the database.

A file is on the disk before the database speaks of it. Several processes may share folder and database.
"""

import errno
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from app.contract.json_text import Json
from app.contract.problems import log_unexpected
from app.store.database import Database, Instance, Study
from app.store.instance_file import Failure, Header, Memo, Refusal, read_header
from app.store.instance_folder import InstanceFolder, write
from data_prep.dicom.archive import Limits

# Disks flush several files at once in about the time that one takes; as many wait, each with its bytes.
WRITERS = 8
# Rows that are fetched at one time.
BATCH = 500

T = TypeVar("T")


@dataclass(frozen=True)
class Receipt:
    """What became of one file: stored (reason None) or not; text says why, for people, and quotes nothing of it."""

    name: str
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str = ""
    series_uid: str = ""
    reason: Failure | None = None
    text: str = ""


@dataclass(frozen=True)
class Series:
    """A series that the service holds: one of its instances, and how many there are."""

    example: Instance
    instances: int


@dataclass(frozen=True, eq=False)
class _Arrival:
    """A file that is being written. written: its digest and size to come."""

    header: Header
    attributes: Json = field(repr=False)
    path: Path
    written: "Future[tuple[str, int]]"


class Instances:
    """A folder of DICOM files, listed in a database. incoming: for files that somebody else is still receiving."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = InstanceFolder(folder), database
        self.incoming = self._folder.incoming
        self._writers = ThreadPoolExecutor(WRITERS, "store")
        with self._folder.alone():
            with database.read() as session:
                held = session.execute(select(Instance.study_uid, Instance.digest))
                known = {self._folder.path(study_uid, digest) for study_uid, digest in held}
            self._folder.sweep(known)

    def receive(self, files: Iterable[tuple[str, BinaryIO | bytes]], study_uid: str | None = None) -> list[Receipt]:
        """Check and store named files, of the given study only; a receipt for each, in order.

        When this returns, a crash loses nothing that is receipted as stored. The same instance again changes nothing.
        Streams must be seekable and are closed. What `files` raises is passed on, and then nothing is stored.
        """
        return self._store(files, study_uid, ours=False)

    def keep(self, files: Iterable[bytes]) -> None:
        """Store results that this service made; the state of their study doesn't change. ValueError for a bad one."""
        for receipt in self._store((("", content) for content in files), None, ours=True):
            if receipt.reason is not None:
                raise ValueError(receipt.text)

    def files(self, study_uid: str) -> Iterator[tuple[str, BinaryIO]]:
        """Name and stream of each received instance of a study, one open at a time."""
        for row in self.find(study_uid):
            if not row.ours:
                with self.open(row) as stream:
                    yield row.sop_uid, stream

    def open(self, row: Instance) -> BinaryIO:
        """The DICOM file; NotFound if it has been deleted meanwhile."""
        try:
            return self._folder.path(row.study_uid, row.digest).open("rb")
        except FileNotFoundError:
            raise NotFound("This instance has been deleted.") from None

    def find(
        self, study_uid: str | None = None, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[Instance]:
        """The instances of that study, series and UID, by UID; of any where None. Some at a time are in memory."""
        wanted = {Instance.study_uid: study_uid, Instance.series_uid: series_uid, Instance.sop_uid: sop_uid}
        conditions = [column == uid for column, uid in wanted.items() if uid is not None]
        last = ""
        while True:
            statement = select(Instance).where(*conditions, Instance.sop_uid > last)
            with self._database.read() as session:
                rows = session.scalars(statement.order_by(Instance.sop_uid).limit(BATCH)).all()
            yield from rows
            if len(rows) < BATCH:
                return
            last = rows[-1].sop_uid

    def series(self, study_uid: str | None = None, series_uid: str | None = None) -> Iterator[Series]:
        """The series of that study and UID, by UIDs; of any where None. Some at a time are in memory."""
        wanted = {Instance.study_uid: study_uid, Instance.series_uid: series_uid}
        statement = (
            select(func.min(Instance.sop_uid), func.count())
            .where(*(column == uid for column, uid in wanted.items() if uid is not None))
            .group_by(Instance.study_uid, Instance.series_uid)
            .order_by(Instance.study_uid, Instance.series_uid)
        )
        with self._database.read() as session:
            groups = [(uid, count) for uid, count in session.execute(statement)]
        for batch in _batched(groups):
            with self._database.read() as session:
                rows = _rows(session, [uid for uid, _ in batch])
            yield from (Series(rows[uid], count) for uid, count in batch if uid in rows)

    def delete_study(self, study_uid: str) -> None:
        """Forget a study, its results too; NotFound if it isn't there."""
        with self._folder.alone():
            with self._database.write() as session:
                gone = delete(Instance).where(Instance.study_uid == study_uid).returning(Instance.sop_uid)
                if not session.scalars(gone).all():
                    raise NotFound("There is no such study.")
                session.execute(delete(Study).where(Study.uid == study_uid))
            self._folder.remove(study_uid)

    def delete_results(self, study_uid: str) -> None:
        """Forget the results that this service made of a study; there may be none."""
        with self._folder.alone():
            ours = delete(Instance).where(Instance.study_uid == study_uid, Instance.ours)
            with self._database.write() as session:
                digests = session.scalars(ours.returning(Instance.digest)).all()
            for digest in digests:
                self._folder.path(study_uid, digest).unlink(missing_ok=True)

    def _store(self, files: Iterable[tuple[str, BinaryIO | bytes]], study_uid: str | None, ours: bool) -> list[Receipt]:
        receipts: list[Receipt] = []
        arrivals: dict[int, _Arrival] = {}
        memo: Memo = {}
        paths = self._folder.new_files()
        try:
            for index, (name, content) in enumerate(files):
                stream = BytesIO(content) if isinstance(content, bytes) else content
                try:
                    header = _checked(stream, study_uid, memo)
                except Refusal as refusal:
                    stream.close()
                    receipts.append(_refused(name, refusal))
                    continue
                receipts.append(_stored(name, header))
                if earlier := arrivals.get(index - 2 * WRITERS):
                    earlier.written.exception()  # so that no more than that many are in memory
                path = next(paths)
                written = self._writers.submit(write, path, stream, header.start)
                arrivals[index] = _Arrival(header, header.attributes(memo), path, written)
            for index, failure in self._enlist(arrivals, ours).items():
                receipts[index] = replace(receipts[index], reason=failure.reason, text=failure.text)
            return receipts
        finally:
            wait(arrival.written for arrival in arrivals.values())
            for arrival in arrivals.values():
                arrival.path.unlink(missing_ok=True)

    def _enlist(self, arrivals: Mapping[int, _Arrival], ours: bool) -> dict[int, Refusal]:
        """Give files their names and rows; those that aren't stored after all, with the reason."""
        failures: dict[int, Refusal] = {}
        rows: list[Instance] = []
        with self._folder.alone(), self._database.write() as session:
            known = _rows(session, [arrival.header.sop_instance_uid for arrival in arrivals.values()])
            for index, arrival in arrivals.items():
                try:
                    digest, size = arrival.written.result()
                except OSError as error:
                    log_unexpected(error)
                    failures[index] = _unwritten(error)
                    continue
                row = known.get(arrival.header.sop_instance_uid)
                if row is None:
                    row = _row(arrival, digest, size, ours)
                    known[row.sop_uid] = row
                    rows.append(row)
                    self._folder.move(arrival.path, row.study_uid, row.digest)
                elif digest != row.digest and not row.ours:
                    failures[index] = Refusal(Failure.DUPLICATE, "Another instance of the same UID is held already.")
            studies = {row.study_uid for row in rows}
            for uid in studies:
                self._folder.flush(uid)
                if not ours:
                    session.merge(Study(uid=uid, state="receiving", received=time.time()))
            session.add_all(rows)
        return failures


def _checked(stream: BinaryIO, study_uid: str | None, memo: Memo) -> Header:
    """The header of a file that may be stored; Refusal otherwise."""
    if stream.seek(0, os.SEEK_END) > Limits.file_bytes:
        raise Refusal(Failure.RESOURCES, f"It has more than {Limits.file_bytes:,} bytes.")
    header = read_header(stream, memo)
    if study_uid is not None and header.study_uid != study_uid:
        text = "It belongs to another study than the one in the URL."
        raise Refusal(Failure.OTHER_STUDY, text, header.sop_class_uid, header.sop_instance_uid)
    return header


def _refused(name: str, refusal: Refusal) -> Receipt:
    return Receipt(name, refusal.sop_class_uid, refusal.sop_instance_uid, reason=refusal.reason, text=refusal.text)


def _unwritten(error: OSError) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refusal(Failure.RESOURCES, "The service's disk is full.")
    return Refusal(Failure.PROCESSING, "The service can't write it to its disk.")


def _stored(name: str, header: Header) -> Receipt:
    return Receipt(name, header.sop_class_uid, header.sop_instance_uid, header.study_uid, header.series_uid)


def _rows(session: Session, sop_uids: Sequence[str]) -> dict[str, Instance]:
    """Those of them that are held."""
    return {
        row.sop_uid: row
        for batch in _batched(sop_uids)
        for row in session.scalars(select(Instance).where(Instance.sop_uid.in_(batch)))
    }


def _batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as a statement may name."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _row(arrival: _Arrival, digest: str, size: int, ours: bool) -> Instance:
    header = arrival.header
    return Instance(
        sop_uid=header.sop_instance_uid,
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        digest=digest,
        size=size,
        attributes=arrival.attributes,
        ours=ours,
    )
