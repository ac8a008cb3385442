"""Accepted studies and their answers: rows in the database, and a folder of pixels and maps for each.

A restart loses nothing: pixels are on the disk before the row is in the database, and a row without an answer is a
study that still waits. Rows hold the patient's attributes that results must repeat; folders hold no patient's name or
number.

    <id>/voxels.npy  written when the study is accepted
    <id>/maps.npy    written when it is answered
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
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
from app.store.job import Job, now
from data_prep.files import flush_folder, replacing
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

# Seconds. A folder without a row that is older than this was left by a process that died while it wrote.
ABANDONED_S = 3600


class Record:
    """A prediction as it was when it was read. Its arrays are opened when they are used.

    Properties and methods raise NotFound if the prediction has been deleted since.
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
        row = self._row
        try:
            voxels = np.load(self._folder / "voxels.npy", mmap_mode="r")
        except FileNotFoundError:
            raise _missing() from None
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

    def map(self, class_index: int) -> ClassMap:
        """The map of one class, for an answered job."""
        if self._row.footprint is None:
            raise _missing()
        try:
            maps = np.load(self._folder / "maps.npy", mmap_mode="r")
        except FileNotFoundError:
            raise _missing() from None
        return ClassMap(maps[class_index], Footprint.from_json(self._row.footprint))


class Store:
    """Jobs and answers by id. Methods raise werkzeug's NotFound for an unknown or invalid id."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = folder, database
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with database.read() as session:
            known = set(session.scalars(select(Prediction.id)))
        for path in folder.iterdir():
            if path.name not in known and time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path)

    def put(self, job: Job) -> None:
        """Accept a job. When this returns, a crash can't lose it. An earlier (failed) attempt is replaced."""
        partial = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        try:
            _save(partial / "voxels.npy", job.volume.voxels)
            self._remove(job.id)
            partial.rename(self._folder / job.id)
        except BaseException:
            shutil.rmtree(partial)
            raise
        flush_folder(self._folder)
        row = Prediction(id=job.id, study_uid=job.volume.study_uid, bundle=job.bundle, created=job.created)
        row.status, row.attempts, row.study, row.origins = "queued", 0, job.to_json(), _as_json(job.origins)
        row.answer = row.footprint = None
        with self._database.write() as session:
            session.merge(row)

    def refuse(self, study_uid: str, bundle: str, answer: Json) -> None:
        """Store a failed answer for a study that never became a job."""
        row = Prediction(id=answer["id"], study_uid=study_uid, bundle=bundle, created=now(), status="failed")
        row.attempts, row.study, row.origins, row.answer = 0, {}, [], answer
        with self._database.write() as session:
            session.merge(row)

    def read(self, id_: str) -> Record:
        """Read a prediction with one database query."""
        return Record(self._row(id_), self._folder / id_)

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
        """Store the answer and, if there is a prediction, its maps. The pixels of a failed job are deleted.

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
        if maps is not None and footprint is not None:
            try:
                _save(self._folder / self._row(id_).id / "maps.npy", maps)
            except FileNotFoundError:
                raise _missing() from None
            values[Prediction.footprint] = footprint.to_json()
        finished = update(Prediction).where(Prediction.id == id_).values(values)
        with self._database.write() as session:
            known: str | None = session.scalar(finished.returning(Prediction.id))
        if known is None:
            raise _missing()
        if answer["status"] == "failed":  # nothing can be shown of it, and it is sent again to be tried again
            self._remove(known)

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
        """Delete everything that belongs to a job, at once for every reader. Returns the UID of its study."""
        gone = delete(Prediction).where(Prediction.id == id_).returning(Prediction.id, Prediction.study_uid)
        with self._database.write() as session:
            row = session.execute(gone).one_or_none()
            session.execute(delete(Delivery).where(Delivery.prediction == id_))
        if row is None:
            raise _missing()
        self._remove(row.id)
        return str(row.study_uid)

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

    def _remove(self, id_: str) -> None:
        """Delete a job's folder. `id_` must be a job's id, never text from a client."""
        if not (self._folder / id_).exists():
            return
        trash = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        with suppress(FileNotFoundError):
            (self._folder / id_).rename(trash)
        shutil.rmtree(trash)
        flush_folder(self._folder)


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


def _save(path: Path, array: FloatArray) -> None:
    with replacing(path, flush=True) as partial, partial.open("wb") as stream:
        np.save(stream, array)
