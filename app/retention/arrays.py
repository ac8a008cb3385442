"""Pixels and maps of predictions: files in the folder of each prediction.

The row is marked before the file is deleted: a file that is missing without a mark counts as lost. If the process is
killed in between, the next sweep deletes the file.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from app.delivery.deliveries import Deliveries
from app.retention.policy import Item
from app.store.database import Database, Prediction, batched
from app.store.disk.shared_folder import locked, undeletable
from app.store.index.summaries import OF_PATIENT, SUMMARY
from data_prep.files import flush_folder


class Arrays:
    """One array of every prediction.

    Args:
        name: The kind, for people.
        folder: The folder of predictions.
        file: The name of the array's file.
        mark: The column that says that the array has expired.
        emptied: Columns that nobody needs without this array, and their empty values.
        deliveries: Says which predictions are in work.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        folder: Path,
        file: str,
        mark: InstrumentedAttribute[bool],
        emptied: dict[InstrumentedAttribute[Any], Any],
        deliveries: Deliveries,
    ) -> None:
        self.name, self._database, self._folder, self._file = name, database, folder, file
        self._mark, self._emptied, self._in_work = mark, emptied, deliveries.in_work()

    def items(self) -> list[Item]:
        """All that are on the disk and have a row."""
        sizes = dict(self._sizes())
        ids = sorted(sizes)
        found: list[Item] = []
        for some in batched(ids):
            found += self._listed(some, sizes)
        return found

    def remove(self, item: Item, tell: Callable[[], None]) -> bool:
        """Delete an array, unless it was deleted or written again meanwhile, or is in work.

        Args:
            item: The array.
            tell: Called before anything is deleted.

        Returns:
            Whether it was deleted.

        Raises:
            ServiceUnavailable: The disk doesn't let us delete it.
        """
        path = self._folder / item.key / self._file
        same = Prediction.id == item.key, Prediction.finished.is_not_distinct_from(item.stored), ~self._in_work
        marked = update(Prediction).where(*same).values({self._mark: True, **self._emptied})
        with locked(self._folder):
            if not path.exists():
                return False
            with self._database.erase() as session:
                if session.scalar(marked.returning(Prediction.id)) is None:
                    return False
                if Prediction.origins in self._emptied:
                    session.execute(update(SUMMARY).where(SUMMARY.c.prediction == item.key).values(OF_PATIENT))
            tell()
            try:
                path.unlink()
                flush_folder(path.parent)
            except OSError:
                raise undeletable() from None
            with suppress(OSError):  # the folder of the other arrays
                path.parent.rmdir()
        return True

    def _sizes(self) -> Iterator[tuple[str, int]]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    with suppress(OSError):
                        yield entry.name, Path(entry.path, self._file).stat().st_size

    def _listed(self, ids: Sequence[str], sizes: dict[str, int]) -> list[Item]:
        columns = Prediction.id, Prediction.study_uid, Prediction.finished, self._in_work, self._mark
        with self._database.read() as session:
            rows = session.execute(select(*columns).where(Prediction.id.in_(ids))).all()
        return [
            # Without an answer, there is no time yet.
            Item(id_, study, stored or 0.0, sizes[id_], in_work or stored is None, marked)
            for id_, study, stored, in_work, marked in rows
        ]
