"""The instances that the service holds: files in a folder, listed in the database.

A file is on the disk before its row is in the database. Several processes may share folder and database.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotFound

from app.contract.problems import log_unexpected
from app.store.adoption import adopt
from app.store.database import BATCH, Announced, Database, Instance, PerformedStep, Study, batched
from app.store.disk.instance_folder import InstanceFolder
from app.store.disk.shared_folder import FileLost
from app.store.index.renewal import renew
from app.store.receiving import Receipt, Receiver
from data_prep.deidentify.deidentifier import Deidentifier

LOG = logging.getLogger(__name__)
# Seconds for files without a row at a start; gunicorn replaces a worker that takes a minute (app/gunicorn.conf.py).
ADOPTION_S = 20.0


class NotKept(Exception):
    """A result can't be stored. The message gives the reason in one sentence."""


class Instances:
    """A folder of DICOM files, listed in a database.

    Args:
        folder: The folder.
        database: The database.
        deidentifier: Removes the patient's identity from what is received; None if it may stay.

    Attributes:
        incoming: This process's own folder for files that it is still receiving.
    """

    def __init__(self, folder: Path, database: Database, deidentifier: Deidentifier | None = None) -> None:
        self._folder, self._database = InstanceFolder(folder), database
        self.incoming = self._folder.incoming
        self._receiver = Receiver(self._folder, database, deidentifier)
        self._look_through()

    def receive(
        self,
        files: Iterable[tuple[str, BinaryIO | bytes]],
        study_uid: str | None = None,
        caller: str | None = None,
    ) -> list[Receipt]:
        """Check and store files.

        When this returns, a crash can't lose a file that is reported as stored. An instance that is stored already
        changes nothing. If `files` raises an exception, it is passed on and nothing is stored.

        Args:
            files: Names and contents. Streams must be seekable; they are closed.
            study_uid: The study that the files must belong to; None allows any.
            caller: Who sends them, for rules: an AE title, or the name of a key or user.

        Returns:
            A receipt for each file, in order.
        """
        return self._receiver.store(files, study_uid, ours=False, caller=caller)

    def keep(self, files: Iterable[bytes]) -> None:
        """Store results that this service made. The state of their study doesn't change. Raises NotKept."""
        for receipt in self._receiver.store((("", content) for content in files), None, ours=True):
            if receipt.reason is not None:
                raise NotKept(receipt.text)

    def files(self, study_uid: str) -> Iterator[tuple[str, BinaryIO]]:
        """Name and stream of each received instance of a study. One file is open at a time.

        Raises:
            NotFound: An instance has been deleted meanwhile.
            FileLost: A file is missing or can't be read.
        """
        with self.reading(study_uid):
            for row in self.find(study_uid):
                if not row.ours:
                    with self._open(row) as stream:
                        yield row.sop_uid, stream

    @contextmanager
    def reading(self, study_uid: str) -> Iterator[None]:
        """As long as the block runs, files of this study don't expire. A request can delete them."""
        with self._folder.reading(study_uid):
            yield

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

    def check(self, row: Instance) -> None:
        """Make sure that a file is there and has its size. Raises as `open` does."""
        if not self._folder.holds(row.study_uid, row.digest, row.size):
            self.open(row).close()

    def metadata(self, row: Instance) -> bytes | None:
        """The metadata that are kept beside a file; None if there are none. Raises as `open` does."""
        self.check(row)
        return self._folder.metadata(row.study_uid, row.digest)

    def keep_metadata(self, made: Iterable[tuple[Instance, bytes]]) -> None:
        """Keep metadata beside the files, as far as the disk lets us: they can be made again."""
        try:
            self._folder.keep_metadata({(row.study_uid, row.digest): content for row, content in made})
        except OSError as error:
            log_unexpected(error)

    def _open(self, row: Instance) -> BinaryIO:
        try:
            return self._folder.file(row.study_uid, row.digest).open("rb")
        except OSError:
            with self._folder.alone():  # a deletion, whose files go before its rows, has ended then
                is_listed = next(self.find(row.study_uid, sop_uid=row.sop_uid), None) is not None
            if not is_listed:
                raise NotFound("This instance has been deleted, or has expired.") from None
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
                renew(session, study_uid)
                for told in (Announced, PerformedStep):
                    session.execute(delete(told).where(told.study_uid == study_uid))

    def delete_results(self, study_uid: str) -> None:
        """Delete the results that this service made for a study, if there are any. Raises ServiceUnavailable."""
        with self._folder.alone():
            self._folder.remove_files(study_uid, [row.digest for row in self.find(study_uid) if row.ours])
            with self._database.erase() as session:
                session.execute(delete(Instance).where(Instance.study_uid == study_uid, Instance.ours))
                renew(session, study_uid)

    def withdraw(self, study_uid: str, sop_uids: Sequence[str]) -> bool:
        """Delete some of the results that this service made for a study, unless its files are being read now.

        Returns:
            Whether none of them is here any more.

        Raises:
            ServiceUnavailable: The disk doesn't let us delete a file.
        """
        with self._folder.alone(), self._folder.unread(study_uid) as unread:
            if not unread:
                return False
            for some in batched(sop_uids):
                chosen = Instance.study_uid == study_uid, Instance.ours, Instance.sop_uid.in_(some)
                with self._database.read() as session:
                    digests = session.scalars(select(Instance.digest).where(*chosen)).all()
                self._folder.remove_files(study_uid, digests)
                with self._database.erase() as session:
                    session.execute(delete(Instance).where(*chosen))
                    renew(session, study_uid)
        return True

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


def _lost() -> FileLost:
    return FileLost("The file of an instance is missing or damaged on the service's disk. Send the instance again.")
