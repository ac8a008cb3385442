"""Instances of studies: those that were received, and the results that were stored beside them.

A study's instances go together. Files go first and then rows, as in a deletion by request: a file without a row would
be listed again. If the process is killed in between, the study is still due, and the next sweep deletes the rest.
"""

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import ColumnElement, delete, func, select, true, update
from sqlalchemy.orm import Session

from app.delivery.deliveries import Deliveries
from app.retention.policy import Item
from app.store.database import Announced, Database, Instance, PerformedStep, Prediction, Study
from app.store.disk.instance_folder import InstanceFolder
from app.store.index.renewal import renew


class Files:
    """The received instances of every study, or the results.

    Args:
        name: The kind, for people.
        database: Lists them.
        folder: The folder of instances.
        ours: Whether the results are meant.
        deliveries: Says which predictions are in work.
    """

    def __init__(
        self, name: str, database: Database, folder: InstanceFolder, ours: bool, deliveries: Deliveries
    ) -> None:
        self.name, self._database, self._folder, self._ours = name, database, folder, ours
        predictions = select(Prediction.study_uid).where(deliveries.in_work())
        self._in_work = predictions.union(select(Study.uid).where(Study.state == "receiving"))

    def items(self) -> list[Item]:
        """One for each study."""
        with self._database.read() as session:
            return self._found(session, true())

    def remove(self, item: Item, tell: Callable[[], None]) -> bool:
        """Delete the instances of a study, unless that has happened, more have come, they are in work, or being read.

        Args:
            item: The study.
            tell: Called before anything is deleted.

        Returns:
            Whether they were deleted.

        Raises:
            ServiceUnavailable: The disk doesn't let us delete them.
        """
        mine = Instance.study_uid == item.key, Instance.ours.is_(self._ours)
        with self._folder.alone(), self._folder.unread(item.key) as unread:
            with self._database.read() as session:
                if not unread or self._found(session, Instance.study_uid == item.key) != [item]:
                    return False
                digests = session.scalars(select(Instance.digest).where(*mine)).all()
            tell()
            self._folder.remove_files(item.key, digests)
            with suppress(OSError):  # the folder of the others
                (self._folder.path / item.key).rmdir()
            with self._database.erase() as session:
                session.execute(delete(Instance).where(*mine))
                renew(session, item.key)
                if self._ours:
                    of_study = update(Prediction).where(Prediction.study_uid == item.key)
                    session.execute(of_study.values(results_expired=True))
                else:
                    session.execute(delete(Study).where(Study.uid == item.key))
                    for told in (Announced, PerformedStep):
                        session.execute(delete(told).where(told.study_uid == item.key))
        return True

    def _found(self, session: Session, which: ColumnElement[bool]) -> list[Item]:
        columns = Instance.study_uid, func.max(Instance.stored), func.sum(Instance.size)
        rows = select(*columns).where(Instance.ours.is_(self._ours), which).group_by(Instance.study_uid)
        busy = set(session.scalars(self._in_work))
        return [Item(study, study, stored, int(size), study in busy) for study, stored, size in session.execute(rows)]
