"""Accepted studies and their answers: rows in the database, and a folder of pixels and maps for each.

A restart loses nothing: pixels are on the disk before the row says `queued`, and a row without an answer is a study
that still waits. Several processes may share folder and database. Rows hold the patient's attributes that results must
repeat; folders hold no patient's name or number. So a folder without a row can't become a prediction again; it is set
aside.

    <id>/voxels.npy  written when the study is accepted
    <id>/maps.npy    written when it is answered
    <id>/unfinished  while the row isn't committed: a process that is killed then has accepted nothing
"""

import logging
import os
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import numpy as np
from sqlalchemy import delete, or_, select, tuple_, update

from app.audit import record
from app.contract.json_text import Json
from app.store.database import Database, Delivery, Prediction, ResultObject, Review
from app.store.disk.shared_folder import SharedFolder, delete_folder
from app.store.index.summaries import SUMMARY, summarise
from app.store.job import Job, now
from app.store.queue import ARRIVING, DONE, FAILED, QUEUED, WAITING, LeaseLost
from app.store.record import MAPS, VOXELS, Record, answer_of, missing
from app.store.superseding import Reference, as_answered, asked_series, objects_of, series_of, supersede
from data_prep.files import flush_folder
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

LOG = logging.getLogger(__name__)
UNFINISHED = "unfinished"


class Store:
    """Jobs and answers by id. Methods raise werkzeug's NotFound for an unknown or invalid id."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = SharedFolder(folder), database
        with self._folder.alone():
            unknown = unlisted(folder, database)
            if unknown:
                moved = self._folder.set_aside(unknown)
                LOG.warning("%d of %d folders of predictions that aren't known were set aside", moved, len(unknown))
            _sweep(folder, database)

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
        row.status, row.study, row.origins = QUEUED, job.to_json(), list(job.origins)
        row.lease, row.attempts, row.published = (lease, 1, False) if keep_lease else (None, 0, False)
        row.answer = row.footprint = row.finished = None
        row.pixels_expired = row.maps_expired = row.results_expired = False
        partial = next(self._folder.new_files())
        try:
            partial.mkdir(mode=0o700)
            _save(partial / VOXELS, job.volume.voxels)
            (partial / UNFINISHED).touch()
            flush_folder(partial)
            with self._folder.alone():
                self._replace(job.id, row, lease, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _replace(self, id_: str, row: Prediction, lease: str | None, partial: Path) -> None:
        """Give a job its row and its folder. The caller holds the folder's lock."""
        place = self._folder.path / id_
        try:
            with self._database.write() as session:
                if session.scalar(select(Prediction.lease).where(Prediction.id == id_)) != lease:
                    raise LeaseLost
                session.merge(row)
                summarise(session, id_)
                delete_folder(place)
                partial.rename(place)
                flush_folder(self._folder.path)
        except BaseException:
            if not partial.exists():  # it has become `place`, and the row is undone
                shutil.rmtree(place, ignore_errors=True)
            raise
        with suppress(OSError):  # the next start deletes it
            (place / UNFINISHED).unlink()

    def refuse(self, study_uid: str, bundle: str, answer: Json) -> None:
        """Store a failed answer for a study that never became a job."""
        row = Prediction(id=answer["id"], study_uid=study_uid, bundle=bundle, created=now(), status=FAILED)
        row.attempts, row.study, row.origins, row.answer = 0, {}, [], answer
        with self._database.alone() as session:
            session.merge(row)
            summarise(session, row.id)
        self._record(answer, study_uid, bundle)

    def read(self, id_: str) -> Record:
        """Read a prediction with one database query."""
        return Record(self._row(id_), self._folder.path / id_)

    def finish(
        self,
        id_: str,
        answer: Json,
        maps: FloatArray | None = None,
        footprint: Footprint | None = None,
        lease: str | None = None,
    ) -> Json:
        """Store the answer and, if there is a prediction, its maps. The pixels of a failed job are deleted.

        Of several processes only one can do this. It is also decided what this prediction replaces
        (app/store/superseding.py).

        Args:
            id_: The job's id.
            answer: JSON of the HTTP contract.
            maps: The maps of all classes on the network's grid, float32 `[classes, s, h, w]`.
            footprint: Where this grid lies in the volume.
            lease: The job's lease.

        Returns:
            The answer, with the predictions that it supersedes.

        Raises:
            LeaseLost: The job has another lease, or an answer.
        """
        row = Prediction.id == id_
        unfinished = update(Prediction).where(row, Prediction.status == QUEUED, Prediction.lease == lease)
        finished = unfinished.values(answer=answer, status=answer["status"], lease=None, finished=time.time())
        if footprint is not None:
            finished = finished.values(footprint=footprint.to_json())
        if answer["status"] == FAILED:  # the patient's names are kept for results, and there will be none
            finished = finished.values(origins=[])
        partial = next(self._folder.new_files())
        try:
            if maps is not None:
                _save(partial, maps)
            with self._folder.alone():
                with self._database.alone() as session:
                    about = session.execute(finished.returning(Prediction.study_uid, Prediction.bundle)).one_or_none()
                    if about is None:
                        raise missing() if session.scalar(select(Prediction.id).where(row)) is None else LeaseLost
                    if answer["status"] == DONE:
                        answer = supersede(session, id_)
                    summarise(session, id_)
                    if maps is not None:
                        self._move_maps(partial, id_)
                if answer["status"] == FAILED:  # nothing can be shown of it, and it is sent again to be tried again
                    shutil.rmtree(self._folder.path / id_, ignore_errors=True)
        finally:
            partial.unlink(missing_ok=True)
        self._record(answer, *about)
        for replaced in answer.get("supersedes", ()):
            record(
                self._folder.path.parent, "prediction", "superseded", prediction=replaced, study=about[0], subject=id_
            )
        return answer

    def _record(self, answer: Json, study_uid: str, bundle: str) -> None:
        """Write into the audit trail that the service has answered."""
        name = answer.get("bundle", {}).get("name")
        data, what = self._folder.path.parent, "prediction"
        record(data, what, answer["status"], prediction=answer["id"], study=study_uid, bundle=name, sha256=bundle)

    def outcomes(self, ids: Collection[str]) -> dict[str, Json | None]:
        """The answers of those jobs that still exist; None if there is no answer yet."""
        columns = Prediction.id, Prediction.status, Prediction.answer, Prediction.superseded_by
        rows = select(*columns).where(Prediction.id.in_(ids))
        with self._database.read() as session:
            found = session.execute(rows).all()
        return {
            row.id: None if row.status in WAITING or row.answer is None else as_answered(row.answer, row.superseded_by)
            for row in found
        }

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
        """Delete everything that belongs to a job, also what readers said of it.

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
                session.execute(delete(ResultObject).where(ResultObject.prediction == row.id))
                session.execute(delete(Review).where(Review.prediction == row.id))
                session.execute(delete(SUMMARY).where(SUMMARY.c.prediction == row.id))
        return row.study_uid

    def gave_way(self, id_: str) -> bool:
        """Whether another series' result has replaced a prediction, or a result that was deleted since."""
        with self._database.read() as session:
            row = session.get(Prediction, id_)
            if row is None or row.superseded_by is None:
                return False
            by = session.get(Prediction, row.superseded_by)
        return by is None or series_of(by.answer) != series_of(row.answer)

    def asked_series(self, study_uid: str, bundle: str) -> list[str]:
        """The series of a study that somebody asked for, of the results that are valid."""
        with self._database.read() as session:
            return asked_series(session, study_uid, bundle)

    def objects(self, id_: str) -> list[Reference]:
        """The DICOM objects of a prediction that may have reached somebody."""
        with self._database.read() as session:
            return objects_of(session, id_)

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

    def _move_maps(self, partial: Path, id_: str) -> None:
        """Put maps into the folder of a job. `id_` must be a job's id, never text from a client."""
        folder = self._folder.path / id_
        try:
            partial.replace(folder / MAPS)
            flush_folder(folder)
        except FileNotFoundError:
            raise missing() from None


def unlisted(folder: Path, database: Database) -> list[Path]:
    """Folders of predictions without a row. The caller holds the lock of `folder`.

    Those of a process that was killed before it could say that it had accepted the study are left out: they belong to
    nobody, and the next start deletes them.
    """
    known = _known(database)
    others = [path for path in folder.glob("[!.]*") if path.name not in known]
    return [path for path in others if not (path / UNFINISHED).exists()]


def _sweep(folder: Path, database: Database) -> None:
    """Delete what processes had begun when they were killed. The caller holds the lock of `folder`."""
    known = _known(database)
    for mark in folder.glob(f"[!.]*/{UNFINISHED}"):
        if mark.parent.name in known:
            mark.unlink()
        else:
            shutil.rmtree(mark.parent)


def _known(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Prediction.id)))


def _save(path: Path, array: FloatArray) -> None:
    with path.open("xb") as stream:
        np.save(stream, array)
        stream.flush()
        os.fsync(stream.fileno())
