"""Studies that have been accepted, and their answers: rows of the database, pixels and maps in a folder for each.

A restart loses nothing: pixels are on the disk before the row says so, and a row without an answer is a study that
still waits. Rows hold what results must repeat of the patient; folders hold no name and no number.

    <id>/voxels.npy  from the moment a study is accepted
    <id>/maps.npy    once it is answered
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

# What no row speaks of and is older than this was left by a process that died while it wrote.
ABANDONED_S = 3600


class Record:
    """A prediction as it stood when it was read. Its arrays are opened when they are used.

    Raises NotFound for what has been deleted since.
    """

    def __init__(self, row: Prediction, folder: Path) -> None:
        self.id, self.study_uid = row.id, row.study_uid
        self._row, self._folder = row, folder

    @property
    def answer(self) -> Json:
        """The answer as `finish` got it, or `{"id", "status": "queued"}` while there is none."""
        return _answer(self._row)

    @property
    def status(self) -> str:
        """queued, done or failed."""
        return str(self.answer["status"])

    @cached_property
    def job(self) -> Job:
        """The job again; its voxels are read from disk as they are used."""
        row = self._row
        try:
            voxels = np.load(self._folder / "voxels.npy", mmap_mode="r")
        except FileNotFoundError:
            raise _missing() from None
        return Job.from_json(row.study, voxels, row.id, row.study_uid, row.bundle, row.created)

    @cached_property
    def origins(self) -> tuple[Dataset, ...]:
        """Of each slice of the volume, in order, what results must repeat (`data_prep.dicom.origin`)."""
        return tuple(map(Dataset.from_json, self._row.origins))

    @cached_property
    def explained_class(self) -> int:
        """Index of the class that the answer explains."""
        answer = self.answer
        return int(answer["result"]["classes"].index(answer["explanation"]["class"]))

    def map(self, class_index: int) -> ClassMap:
        """One class's map of an answered job."""
        if self._row.footprint is None:
            raise _missing()
        try:
            maps = np.load(self._folder / "maps.npy", mmap_mode="r")
        except FileNotFoundError:
            raise _missing() from None
        return ClassMap(maps[class_index], Footprint.from_json(self._row.footprint))


class Store:
    """Jobs and answers by id. Methods raise werkzeug's NotFound for an id that isn't there (or is no id)."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = folder, database
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with database.read() as session:
            known = set(session.scalars(select(Prediction.id)))
        for path in folder.iterdir():
            if path.name not in known and time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path)

    def put(self, job: Job) -> None:
        """Accept a job: when this returns, a crash can't lose it. A former (failed) attempt is replaced."""
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
        """Keep a failed answer about a study that never became a job."""
        row = Prediction(id=answer["id"], study_uid=study_uid, bundle=bundle, created=now(), status="failed")
        row.attempts, row.study, row.origins, row.answer = 0, {}, [], answer
        with self._database.write() as session:
            session.merge(row)

    def read(self, id_: str) -> Record:
        """A prediction, by one query of the database."""
        return Record(self._row(id_), self._folder / id_)

    def begin(self, id_: str) -> int:
        """Note that a job is being tried, and say for which time: a study may not kill the service for ever."""
        counted = update(Prediction).where(Prediction.id == id_).values(attempts=Prediction.attempts + 1)
        with self._database.write() as session:
            attempt: int | None = session.scalar(counted.returning(Prediction.attempts))
        if attempt is None:
            raise _missing()
        return attempt

    def finish(
        self, id_: str, answer: Json, maps: FloatArray | None = None, footprint: Footprint | None = None
    ) -> None:
        """Add the answer, and where there is a prediction its maps."""
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
            if session.scalar(finished.returning(Prediction.id)) is None:
                raise _missing()

    def answers(
        self,
        limit: int,
        after: str | None = None,
        study_uid: str | None = None,
        status: str | None = None,
        since: str | None = None,
    ) -> list[Json]:
        """At most `limit` answers, the oldest first, of those that fit; after: the id that the last page ended with.

        since: UTC as `Job.created` has it; what was accepted then or later.
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
        """Ids without an answer, oldest first."""
        waiting = select(Prediction.id).where(Prediction.status == "queued")
        with self._database.read() as session:
            return list(session.scalars(waiting.order_by(Prediction.created, Prediction.id)))

    def delete(self, id_: str) -> str:
        """Remove everything of a job, at once for every reader; its study's UID."""
        gone = delete(Prediction).where(Prediction.id == id_).returning(Prediction.id, Prediction.study_uid)
        with self._database.write() as session:
            row = session.execute(gone).one_or_none()
            session.execute(delete(Delivery).where(Delivery.prediction == id_))
        if row is None:
            raise _missing()
        self._remove(row.id)
        return str(row.study_uid)

    def of_study(self, study_uid: str) -> list[str]:
        """Ids of all that was ever judged of a study."""
        with self._database.read() as session:
            return list(session.scalars(select(Prediction.id).where(Prediction.study_uid == study_uid)))

    def _row(self, id_: str) -> Prediction:
        with self._database.read() as session:
            row = session.get(Prediction, id_)
        if row is None:
            raise _missing()
        return row

    def _remove(self, id_: str) -> None:
        """Only ids of jobs come here, never what a client typed."""
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
    """DICOM JSON of each. Slices of a series share most of their elements, as objects: each is converted once."""
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
