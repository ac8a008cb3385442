"""The instances that the service holds: files in a folder, listed in the database.

A file is on the disk before its row is in the database. Several processes may share folder and database.
"""

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from app.contract.json_text import Json
from app.contract.problems import log_unexpected
from app.store.adoption import adopt, row_of
from app.store.database import Database, Instance, Prediction, Study
from app.store.disk.instance_folder import InstanceFolder, write
from app.store.disk.shared_folder import FileLost
from app.store.instance_file import Failure, Header, Memo, Refusal, checked
from data_prep.dicom.budget import Budget
from data_prep.limits import Limits

LOG = logging.getLogger(__name__)
# A disk flushes several files at once in about the time of one. As many files again may wait in memory.
WRITERS = 8
# Rows that are fetched at once.
BATCH = 500
# Seconds for files without a row at a start; gunicorn replaces a worker that takes a minute (app/gunicorn.conf.py).
ADOPTION_S = 20.0

T = TypeVar("T")


@dataclass(frozen=True)
class Receipt:
    """What happened to one file.

    Attributes:
        name: The name that the sender or caller gave the file.
        reason: Why it isn't stored; None if it is stored.
        text: The reason for people; never quotes the file.
    """

    name: str
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str = ""
    series_uid: str = ""
    reason: Failure | None = None
    text: str = ""


class NotKept(Exception):
    """A result can't be stored. The message gives the reason in one sentence."""


@dataclass(frozen=True)
class Series:
    """A series that the service holds.

    Attributes:
        example: One of its instances.
        instances: How many instances it has.
    """

    example: Instance
    instances: int


@dataclass(frozen=True, eq=False)
class _Arrival:
    """A file that is being written; `written` will give its digest and size."""

    header: Header
    attributes: Json = field(repr=False)
    path: Path
    written: "Future[tuple[str, int]]"


class Instances:
    """A folder of DICOM files, listed in a database.

    Attributes:
        incoming: This process's own folder for files that it is still receiving.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = InstanceFolder(folder), database
        self.incoming = self._folder.incoming
        self._writers = ThreadPoolExecutor(WRITERS, "store")
        self._look_through()

    def receive(self, files: Iterable[tuple[str, BinaryIO | bytes]], study_uid: str | None = None) -> list[Receipt]:
        """Check and store files.

        When this returns, a crash can't lose a file that is reported as stored. An instance that is stored already
        changes nothing. If `files` raises an exception, it is passed on and nothing is stored.

        Args:
            files: Names and contents. Streams must be seekable; they are closed.
            study_uid: The study that the files must belong to; None allows any.

        Returns:
            A receipt for each file, in order.
        """
        return self._store(files, study_uid, ours=False)

    def keep(self, files: Iterable[bytes]) -> None:
        """Store results that this service made. The state of their study doesn't change. Raises NotKept."""
        for receipt in self._store((("", content) for content in files), None, ours=True):
            if receipt.reason is not None:
                raise NotKept(receipt.text)

    def files(self, study_uid: str) -> Iterator[tuple[str, BinaryIO]]:
        """Name and stream of each received instance of a study. One file is open at a time.

        Raises:
            NotFound: An instance has been deleted meanwhile.
            FileLost: A file is missing or can't be read.
        """
        for row in self.find(study_uid):
            if not row.ours:
                with self._open(row) as stream:
                    yield row.sop_uid, stream

    def open(self, row: Instance) -> BinaryIO:
        """Open the DICOM file.

        Raises:
            NotFound: It has been deleted meanwhile.
            FileLost: It is missing, can't be read, or hasn't its size.
        """
        stream = self._open(row)
        if stream.seek(0, os.SEEK_END) != row.size:
            stream.close()
            raise _lost()
        stream.seek(0)
        return stream

    def _open(self, row: Instance) -> BinaryIO:
        try:
            return self._folder.file(row.study_uid, row.digest).open("rb")
        except OSError:
            if not list(self.find(row.study_uid, sop_uid=row.sop_uid)):
                raise NotFound("This instance has been deleted.") from None
            raise _lost() from None

    def find(
        self, study_uid: str | None = None, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[Instance]:
        """The instances with these UIDs, ordered by SOP instance UID. None stands for any UID.

        At most `BATCH` rows are in memory at once.
        """
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
        """The series with these UIDs, ordered by study and series UID. None stands for any UID.

        At most `BATCH` rows are in memory at once.
        """
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
        """Delete a study with its results.

        The files go first: this makes the space that the database needs for its own deletion.

        Raises:
            NotFound: There is no such study.
            ServiceUnavailable: The disk doesn't let us delete a file. The study is still listed.
        """
        with self._folder.alone():
            if next(self.find(study_uid), None) is None:
                raise NotFound("There is no such study.")
            self._folder.remove(study_uid)
            with self._database.erase() as session:
                session.execute(delete(Instance).where(Instance.study_uid == study_uid))
                session.execute(delete(Study).where(Study.uid == study_uid))

    def delete_results(self, study_uid: str) -> None:
        """Delete the results that this service made for a study, if there are any. Raises ServiceUnavailable."""
        with self._folder.alone():
            self._folder.remove_files(study_uid, [row.digest for row in self.find(study_uid) if row.ours])
            with self._database.erase() as session:
                session.execute(delete(Instance).where(Instance.study_uid == study_uid, Instance.ours))

    def _look_through(self) -> None:
        """Compare folder and database. Files without a row are listed or set aside; what is missing is told."""
        with self._folder.alone():
            with self._database.read() as session:
                listed = session.execute(select(Instance.study_uid, Instance.digest))
                known = {self._folder.file(study_uid, digest) for study_uid, digest in listed}
            found = self._folder.files()
            if missing := len(known - found):
                LOG.warning("the files of %d instances are missing: send them again", missing)
            if found - known:
                self._adopt(found - known)

    def _adopt(self, paths: set[Path]) -> None:
        try:
            adopted = adopt(self._database, self._folder, paths, ADOPTION_S)
            LOG.warning("files without a row: %d were listed, %d set aside, %d wait for another start", *adopted)
        except (OSError, SQLAlchemyError) as error:  # a full disk must not prevent the start
            log_unexpected(error)

    def _store(self, files: Iterable[tuple[str, BinaryIO | bytes]], study_uid: str | None, ours: bool) -> list[Receipt]:
        receipts: list[Receipt] = []
        arrivals: dict[int, _Arrival] = {}
        memo: Memo = {}
        budget = Budget(Limits())
        paths = self._folder.new_files()
        try:
            for index, (name, content) in enumerate(files):
                stream = BytesIO(content) if isinstance(content, bytes) else content
                try:
                    header = checked(stream, study_uid, memo, budget)
                except Refusal as refusal:
                    stream.close()
                    receipts.append(_refused(name, refusal))
                    continue
                receipts.append(_stored(name, header))
                if earlier := arrivals.get(index - 2 * WRITERS):
                    earlier.written.exception()  # wait, so that at most 2 * WRITERS files are in memory
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
        """Move files to their final paths and add their rows.

        A file that is listed but missing, or hasn't its size, is written again.

        Returns:
            The reason for each file that isn't stored.
        """
        failures: dict[int, Refusal] = {}
        rows, lost = list[Instance](), list[Instance]()
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
                    row = row_of(arrival.header, arrival.attributes, digest, size, ours)
                    known[row.sop_uid] = row
                    rows.append(row)
                    self._folder.move(arrival.path, row.study_uid, row.digest)
                elif digest == row.digest and not self._folder.holds(row.study_uid, digest, row.size):
                    row.size = size
                    lost.append(row)
                    self._folder.move(arrival.path, row.study_uid, row.digest)
                elif digest != row.digest and not row.ours:
                    failures[index] = Refusal(Failure.DUPLICATE, "Another instance with this UID is stored already.")
            for uid in {row.study_uid for row in (*rows, *lost)}:
                self._folder.flush(uid)
            if not ours:
                for uid in {row.study_uid for row in (*rows, *lost) if not row.ours}:
                    session.merge(Study(uid=uid, state="receiving", received=time.time()))
                for uid in {row.study_uid for row in lost}:  # its results may be lost, too: they are stored again
                    session.execute(update(Prediction).where(Prediction.study_uid == uid).values(published=False))
            session.add_all(rows)
        return failures


def _lost() -> FileLost:
    return FileLost("The file of an instance is missing or damaged on the service's disk. Send the instance again.")


def _refused(name: str, refusal: Refusal) -> Receipt:
    return Receipt(name, refusal.sop_class_uid, refusal.sop_instance_uid, reason=refusal.reason, text=refusal.text)


def _unwritten(error: OSError) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refusal(Failure.RESOURCES, "The service's disk is full.")
    return Refusal(Failure.PROCESSING, "The service can't write it to its disk.")


def _stored(name: str, header: Header) -> Receipt:
    return Receipt(name, header.sop_class_uid, header.sop_instance_uid, header.study_uid, header.series_uid)


def _rows(session: Session, sop_uids: Sequence[str]) -> dict[str, Instance]:
    """The rows of those instances that are stored, by UID."""
    return {
        row.sop_uid: row
        for batch in _batched(sop_uids)
        for row in session.scalars(select(Instance).where(Instance.sop_uid.in_(batch)))
    }


def _batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of at most `BATCH` items, few enough for one SQL statement."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
