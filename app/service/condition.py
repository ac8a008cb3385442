"""Whether the service can accept studies: the database answers, and the disk takes what is written and has room.

It is found out when somebody asks, at most once a second, in a thread of its own. A database or a disk that doesn't
answer delays nobody for longer than `ANSWER_S`. When the cause is gone, the next question finds that out.

A check that takes long isn't a fault at once: while a large study is being stored, the database is locked for a moment.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ServiceUnavailable

from app.contract.problems import DISK_FULL, RETRY_AFTER_S, log_unexpected
from app.store.database import Database
from app.store.disk.database_file import FileGone

# Seconds. An answer is used again for this long, and is awaited for at most this long. Until it comes, the one before
# counts, but no longer than `SILENCE_S`.
KEPT_S, ANSWER_S, SILENCE_S = 1.0, 0.7, 5.0
# Bytes. More than the name of a file, so that a full disk is noticed.
PROBE = bytes(64 << 10)


class Condition:
    """The state of database and disk.

    Args:
        database: The service's database.
        folders: Folders that the service writes to; all on one disk.
        reserve_mb: Megabytes that must be free before anything is accepted. Deletion uses them.
    """

    def __init__(self, database: Database, folders: Iterable[Path], reserve_mb: int) -> None:
        self._database, self._folders, self._reserve = database, tuple(folders), reserve_mb << 20
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._fault: Future[str | None] = Future()
        self._fault.set_result(None)
        self._known: str | None = None

    def fault(self) -> str | None:
        """A sentence that says why nothing can be accepted; None if everything is in order."""
        with self._lock:
            if self._fault.done() and time.monotonic() - self._asked_s > KEPT_S:
                self._known = self._fault.result()
                self._asked_s, self._fault = time.monotonic(), Future()
                threading.Thread(target=self._look, args=(self._fault,), name="condition", daemon=True).start()
            fault, known, asked_s = self._fault, self._known, self._asked_s
        try:
            return fault.result(ANSWER_S)
        except TimeoutError:
            silent = time.monotonic() - asked_s > SILENCE_S
            return "The database or the disk doesn't answer." if silent else known

    def require(self) -> None:
        """Raises ServiceUnavailable, with the fault as its sentence, if there is one."""
        if fault := self.fault():
            raise ServiceUnavailable(fault, retry_after=RETRY_AFTER_S)

    def _look(self, fault: "Future[str | None]") -> None:
        try:
            fault.set_result(self._disk() or self._store())
        except Exception as error:
            log_unexpected(error)
            fault.set_result("The service can't check its database and its disk.")

    def _disk(self) -> str | None:
        try:
            for folder in self._folders:
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(PROBE)
                    probe.flush()
            disk = os.statvfs(self._folders[0])
        except OSError as error:
            return f"The data folder can't be written to ({error.strerror})."
        return DISK_FULL if disk.f_bavail * disk.f_frsize < self._reserve else None

    def _store(self) -> str | None:
        try:
            self._database.check()
        except FileGone as gone:
            return gone.strerror
        except SQLAlchemyError:
            return "The database can't be used: it doesn't answer, is locked or full, or was changed by others."
        return None
