"""Accepted studies and their answers: rows in the database, and a folder of pixels and maps for each.

A restart loses nothing: pixels are on the disk before the row is in the database, and a row without an answer is a
study that still waits. Rows hold the patient's attributes that results must repeat; folders hold no patient's name or
number. So a folder without a row can't become a prediction again; it is set aside.

    <id>/voxels.npy  written when the study is accepted
    <id>/maps.npy    written when it is answered
"""

import logging
import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.exceptions import NotFound

from app.contract.json_text import Json
from app.store.class_map import ClassMap
from app.store.database import Database, Delivery, Prediction
from app.store.disk.shared_folder import FileLost, SharedFolder, delete_folder
from app.store.job import Job, now
from data_prep.files import flush_folder
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

LOG = logging.getLogger(__name__)
VOXELS, MAPS = "voxels.npy", "maps.npy"


class Record:
    """A prediction as it was when it was read. Its arrays are opened when they are used.

    Properties and methods raise FileLost if an array is missing or damaged, also because the prediction was deleted.
    """

    def __init__(self, row: Prediction, folder: Path) -> None:
        self.id, self.study_uid = row.id, row.study_uid
        self._row, self._folder = row, folder

    @property
    def answer(self) -> Json:
        """The answer that `finish` stored, or `{"id", "status": "queued"}` if there is none yet."""
        return _answer(self._row)

    @property
    def status(self) -> str:
        """queued, done or failed."""
        return str(self.answer["status"])

    @cached_property
    def job(self) -> Job:
        """The job again. Its voxels are read from the disk when they are used."""
        row, voxels = self._row, _load(self._folder / VOXELS)
        return Job.from_json(row.study, voxels, row.id, row.study_uid, row.bundle, row.created)

    @cached_property
    def origins(self) -> tuple[Dataset, ...]:
        """For each slice of the volume, the attributes that results must repeat (`data_prep.dicom.origin`)."""
        return tuple(map(Dataset.from_json, self._row.origins))

    @cached_property
    def explained_class(self) -> int:
        """Index of the class that the answer explains."""
        answer = self.answer
        return int(answer["result"]["classes"].index(answer["explanation"]["class"]))

    def is_whole(self) -> bool:
        """Whether all its arrays can be read."""
        return is_whole(self._folder, has_maps=self._row.footprint is not None)

    def map(self, class_index: int) -> ClassMap:
        """The map of one class, for an answered job."""
        if self._row.footprint is None:
            raise _missing()
        return ClassMap(_load(self._folder / MAPS)[class_index], Footprint.from_json(self._row.footprint))


class Store:
    """Jobs and answers by id. Methods raise werkzeug's NotFound for an unknown or invalid id."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = SharedFolder(folder), database
        with self._folder.alone():
            unknown = unlisted(folder, database)
            if unknown:
                moved = self._folder.set_aside(unknown)
                LOG.warning("%d of %d folders of predictions that aren't known were set aside", moved, len(unknown))

    def put(self, job: Job) -> None:
        """Accept a job. When this returns, a crash can't lose it. An earlier attempt is replaced."""
        row = Prediction(id=job.id, study_uid=job.volume.study_uid, bundle=job.bundle, created=job.created)
        row.status, row.attempts, row.study, row.origins = "queued", 0, job.to_json(), _as_json(job.origins)
        row.answer, row.footprint, row.published = None, None, False
        partial, place = next(self._folder.new_files()), self._folder.path / job.id
        try:
            partial.mkdir(mode=0o700)
            _save(partial / VOXELS, job.volume.voxels)
            flush_folder(partial)
            with self._folder.alone():
                delete_folder(place)
                partial.rename(place)
                flush_folder(self._folder.path)
                try:
                    with self._database.write() as session:
                        session.merge(row)
                except BaseException:
                    shutil.rmtree(place, ignore_errors=True)
                    raise
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def refuse(self, study_uid: str, bundle: str, answer: Json) -> None:
        """Store a failed answer for a study that never became a job."""
        row = Prediction(id=answer["id"], study_uid=study_uid, bundle=bundle, created=now(), status="failed")
        row.attempts, row.study, row.origins, row.answer = 0, {}, [], answer
        with self._database.write() as session:
            session.merge(row)

    def read(self, id_: str) -> Record:
        """Read a prediction with one database query."""
        return Record(self._row(id_), self._folder.path / id_)

    def begin(self, id_: str) -> int:
        """Count an attempt to compute a job, so that a study can't crash the service again and again.

        Returns:
            The number of attempts so far, including this one.
        """
        counted = update(Prediction).where(Prediction.id == id_).values(attempts=Prediction.attempts + 1)
        with self._database.write() as session:
            attempt: int | None = session.scalar(counted.returning(Prediction.attempts))
        if attempt is None:
            raise _missing()
        return attempt

    def finish(
        self, id_: str, answer: Json, maps: FloatArray | None = None, footprint: Footprint | None = None
    ) -> None:
        """Store the answer and, if there is a prediction, its maps.

        Args:
            id_: The job's id.
            answer: JSON of the HTTP contract.
            maps: The maps of all classes on the network's grid, float32 `[classes, s, h, w]`.
            footprint: Where this grid lies in the volume.
        """
        values: dict[InstrumentedAttribute[str] | InstrumentedAttribute[Json | None], str | Json] = {
            Prediction.answer: answer,
            Prediction.status: answer["status"],
        }
        partial = next(self._folder.new_files())
        try:
            if maps is not None and footprint is not None:
                _save(partial, maps)
                values[Prediction.footprint] = footprint.to_json()
            with self._folder.alone():
                if Prediction.footprint in values:
                    self._move_maps(partial, id_)
                finished = update(Prediction).where(Prediction.id == id_).values(values)
                with self._database.write() as session:
                    if session.scalar(finished.returning(Prediction.id)) is None:
                        raise _missing()
        finally:
            partial.unlink(missing_ok=True)

    def answers(
        self,
        limit: int,
        after: str | None = None,
        study_uid: str | None = None,
        status: str | None = None,
        since: str | None = None,
    ) -> list[Json]:
        """The answers that match all given conditions, the oldest first.

        Args:
            limit: The maximum number of answers.
            after: Id of the last answer on the previous page.
            study_uid: Only answers for this study.
            status: Only answers with this status.
            since: Only jobs accepted at this time or later, in the format of `Job.created`.
        """
        wanted = select(Prediction).order_by(Prediction.created, Prediction.id).limit(limit)
        if after is not None:
            last = self._row(after)
            wanted = wanted.where(tuple_(Prediction.created, Prediction.id) > (last.created, last.id))
        if study_uid is not None:
            wanted = wanted.where(Prediction.study_uid == study_uid)
        if status is not None:
            wanted = wanted.where(Prediction.status == status)
        if since is not None:
            wanted = wanted.where(Prediction.created >= since)
        with self._database.read() as session:
            return [_answer(row) for row in session.scalars(wanted)]

    def waiting(self) -> list[str]:
        """Ids of jobs without an answer, the oldest first."""
        waiting = select(Prediction.id).where(Prediction.status == "queued")
        with self._database.read() as session:
            return list(session.scalars(waiting.order_by(Prediction.created, Prediction.id)))

    def delete(self, id_: str) -> str:
        """Delete everything that belongs to a job.

        The files go first: this makes the space that the database needs for its own deletion.

        Returns:
            The UID of its study.

        Raises:
            ServiceUnavailable: The disk doesn't let us delete a file. The job is still listed.
        """
        with self._folder.alone():
            row = self._row(id_)
            delete_folder(self._folder.path / row.id)
            with self._database.erase() as session:
                session.execute(delete(Prediction).where(Prediction.id == row.id))
                session.execute(delete(Delivery).where(Delivery.prediction == row.id))
        return row.study_uid

    def of_study(self, study_uid: str) -> list[str]:
        """Ids of all predictions for a study."""
        with self._database.read() as session:
            return list(session.scalars(select(Prediction.id).where(Prediction.study_uid == study_uid)))

    def _row(self, id_: str) -> Prediction:
        with self._database.read() as session:
            row = session.get(Prediction, id_)
        if row is None:
            raise _missing()
        return row

    def _move_maps(self, partial: Path, id_: str) -> None:
        """Put maps into the folder of a job. `id_` must be a job's id, never text from a client."""
        folder = self._folder.path / self._row(id_).id
        try:
            partial.replace(folder / MAPS)
            flush_folder(folder)
        except FileNotFoundError:
            raise _missing() from None


def is_whole(folder: Path, has_maps: bool) -> bool:
    """Whether the arrays in the folder of a prediction can be read.

    Args:
        folder: The folder.
        has_maps: Whether it must hold maps, too.
    """
    try:
        for name in (VOXELS, MAPS) if has_maps else (VOXELS,):
            _load(folder / name)
    except FileLost:
        return False
    return True


def unlisted(folder: Path, database: Database) -> list[Path]:
    """Folders of predictions without a row. The caller holds the lock of `folder`."""
    with database.read() as session:
        known = set(session.scalars(select(Prediction.id)))
    return [path for path in folder.glob("[!.]*") if path.name not in known]


def _answer(row: Prediction) -> Json:
    return row.answer or {"id": row.id, "status": row.status}


def _as_json(origins: Sequence[Dataset]) -> list[Json]:
    """DICOM JSON of each. Slices of a series share most of their element objects; each object is converted once."""
    known: dict[int, Json] = {}
    for element in (element for origin in origins for element in origin):
        if id(element) not in known:
            known[id(element)] = element.to_json_dict(None, 0)
    return [{f"{element.tag:08X}": known[id(element)] for element in origin} for origin in origins]


def _missing() -> NotFound:
    return NotFound("There is no prediction of this id; it may have been deleted.")


def _load(path: Path) -> FloatArray:
    """An array on the disk; its values are read when they are used. Raises FileLost if it is missing or damaged."""
    try:
        loaded: FloatArray = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        text = (
            "The pixels or maps of this prediction are missing or damaged on the service's disk. Send the study again."
        )
        raise FileLost(text) from None
    return loaded


def _save(path: Path, array: FloatArray) -> None:
    with path.open("xb") as stream:
        np.save(stream, array)
        stream.flush()
        os.fsync(stream.fileno())
