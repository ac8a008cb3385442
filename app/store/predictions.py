"""Accepted studies and their answers: rows in the database, and a folder of pixels and maps for each.

A restart loses nothing: pixels are on the disk before the row says `queued`, and a row without an answer is a study
that still waits. Several processes may share folder and database: a folder changes within the transaction that changes
its row. Rows hold the patient's attributes that results must repeat; folders hold no patient's name or number.

    <id>/voxels.npy  written when the study is accepted
    <id>/maps.npy    written when it is answered
"""

import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from sqlalchemy import delete, or_, select, tuple_, update

from app.contract.json_text import Json
from app.store.database import Database, Delivery, Prediction
from app.store.job import Job, now
from app.store.queue import ARRIVING, FAILED, QUEUED, WAITING, LeaseLost
from app.store.record import Record, answer_of, missing
from data_prep.files import flush_folder, replacing
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

# Seconds. A folder without a row that is older than this was left by a process that died while it wrote.
ABANDONED_S = 3600


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

    def put(self, job: Job, lease: str | None = None, keep_lease: bool = False) -> None:
        """Accept a job. When this returns, a crash can't lose it. An earlier (failed) attempt is replaced.

        Args:
            job: The job.
            lease: With this lease the job was entered into the queue; None if it wasn't.
            keep_lease: Whether the caller computes the job at once. Otherwise anyone may claim it.

        Raises:
            LeaseLost: The row has another lease, or it is deleted.
        """
        row = Prediction(id=job.id, study_uid=job.volume.study_uid, bundle=job.bundle, created=job.created)
        row.status, row.study, row.origins = QUEUED, job.to_json(), _as_json(job.origins)
        row.lease, row.attempts, row.published = (lease, 1, False) if keep_lease else (None, 0, False)
        row.answer = row.footprint = None
        partial = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        former = None
        try:
            _save(partial / "voxels.npy", job.volume.voxels)
            with self._database.alone() as session:
                held = session.scalar(select(Prediction.lease).where(Prediction.id == job.id))
                if held != lease:
                    raise LeaseLost
                session.merge(row)
                session.flush()
                former = self._aside(job.id)
                partial.rename(self._folder / job.id)
                flush_folder(self._folder)
        finally:
            for folder in filter(None, (partial, former)):
                shutil.rmtree(folder, ignore_errors=True)

    def refuse(self, study_uid: str, bundle: str, answer: Json) -> None:
        """Store a failed answer for a study that never became a job."""
        row = Prediction(id=answer["id"], study_uid=study_uid, bundle=bundle, created=now(), status=FAILED)
        row.attempts, row.study, row.origins, row.answer = 0, {}, [], answer
        with self._database.alone() as session:
            session.merge(row)

    def read(self, id_: str) -> Record:
        """Read a prediction with one database query."""
        return Record(self._row(id_), self._folder / id_)

    def finish(
        self,
        id_: str,
        answer: Json,
        maps: FloatArray | None = None,
        footprint: Footprint | None = None,
        lease: str | None = None,
    ) -> None:
        """Store the answer and, if there is a prediction, its maps. Of several processes only one can do this.

        Args:
            id_: The job's id.
            answer: JSON of the HTTP contract.
            maps: The maps of all classes on the network's grid, float32 `[classes, s, h, w]`.
            footprint: Where this grid lies in the volume.
            lease: The job's lease.

        Raises:
            LeaseLost: The job has another lease, or an answer.
        """
        row = Prediction.id == id_
        unfinished = update(Prediction).where(row, Prediction.status == QUEUED, Prediction.lease == lease)
        finished = unfinished.values(answer=answer, status=answer["status"], lease=None)
        if footprint is not None:
            finished = finished.values(footprint=footprint.to_json())
        with self._database.write() as session:
            if session.scalar(finished.returning(Prediction.id)) is None:
                raise missing() if session.scalar(select(Prediction.id).where(row)) is None else LeaseLost
            if maps is not None:
                for left in (self._folder / id_).glob(".*"):  # by a process that was killed at this place
                    left.unlink()
                _save(self._folder / id_ / "maps.npy", maps)

    def outcomes(self, ids: Collection[str]) -> dict[str, Json | None]:
        """The answers of those jobs that still exist; None if there is no answer yet."""
        rows = select(Prediction.id, Prediction.status, Prediction.answer).where(Prediction.id.in_(ids))
        with self._database.read() as session:
            found = session.execute(rows).all()
        return {row.id: None if row.status in WAITING else row.answer for row in found}

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
        accepted = or_(Prediction.status != ARRIVING, Prediction.answer.is_not(None))
        wanted = select(Prediction).where(accepted).order_by(Prediction.created, Prediction.id).limit(limit)
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
            return [answer_of(row) for row in session.scalars(wanted)]

    def delete(self, id_: str) -> str:
        """Delete everything that belongs to a job, at once for every reader. Returns the UID of its study."""
        gone = delete(Prediction).where(Prediction.id == id_).returning(Prediction.id, Prediction.study_uid)
        with self._database.alone() as session:
            row = session.execute(gone).one_or_none()
            if row is None:
                raise missing()
            session.execute(delete(Delivery).where(Delivery.prediction == id_))
            trash = self._aside(row.id)
        if trash is not None:
            shutil.rmtree(trash)
            flush_folder(self._folder)
        return str(row.study_uid)

    def of_study(self, study_uid: str) -> list[str]:
        """Ids of all predictions for a study."""
        with self._database.read() as session:
            return list(session.scalars(select(Prediction.id).where(Prediction.study_uid == study_uid)))

    def _row(self, id_: str) -> Prediction:
        with self._database.read() as session:
            row = session.get(Prediction, id_)
        if row is None or (row.status == ARRIVING and row.answer is None):
            raise missing()
        return row

    def _aside(self, id_: str) -> Path | None:
        """Rename a job's folder, to delete it later. `id_` must be a job's id, never text from a client."""
        trash = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        try:
            return (self._folder / id_).rename(trash)
        except FileNotFoundError:
            trash.rmdir()
            return None


def _as_json(origins: Sequence[Dataset]) -> list[Json]:
    """DICOM JSON of each. Slices of a series share most of their element objects; each object is converted once."""
    known: dict[int, Json] = {}
    for element in (element for origin in origins for element in origin):
        if id(element) not in known:
            known[id(element)] = element.to_json_dict(None, 0)
    return [{f"{element.tag:08X}": known[id(element)] for element in origin} for origin in origins]


def _save(path: Path, array: FloatArray) -> None:
    with replacing(path, flush=True) as partial, partial.open("wb") as stream:
        np.save(stream, array)
