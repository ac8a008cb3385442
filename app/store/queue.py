"""Accepted jobs as a queue that several processes share: a process claims a job with a lease before it computes it.

A lease is a random text in the job's row. The process that holds it adds to `beats`, also in the row. If `beats` stays
the same for long, another process ends the lease. No times are stored or compared, so no clock can be wrong.
"""

from collections.abc import Collection
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests

from app.store.database import Database, Prediction
from app.store.job import Job

# A row that has a lease, and no pixels on the disk yet. Nobody was told that the job is accepted.
ARRIVING = "arriving"
QUEUED, FAILED, DONE = "queued", "failed", "done"
WAITING = (ARRIVING, QUEUED)
RETRY_AFTER_S = 5


class LeaseLost(Exception):
    """The lease was ended, because this process seemed dead, or because the job was deleted."""


class Claim(NamedTuple):
    """A job that this process may compute.

    Attributes:
        lease: Nobody else knows it.
        attempts: How often a process claimed the job and died, and this claim.
    """

    id: str
    lease: str
    attempts: int


class Waiting(NamedTuple):
    """The row of a job without an answer. `lease` is None if nobody computes the job."""

    id: str
    bundle: str
    lease: str | None
    beats: int


def new_lease() -> str:
    """A text that nobody else has."""
    return uuid4().hex


class Queue:
    """The rows of jobs without an answer.

    Args:
        database: Holds them.
        capacity: How many jobs may wait or be computed at one time, in all processes.
    """

    def __init__(self, database: Database, capacity: int) -> None:
        self._database, self._capacity = database, capacity

    def enter(self, job: Job, lease: str, bundles: Collection[str], again: bool = False) -> str | None:
        """Give a new job its row, with a lease, so that no other process accepts it too. A failed job is entered again.

        Args:
            job: The job. Its pixels aren't used.
            lease: From `new_lease`.
            bundles: The jobs of these bundles count for the capacity.
            again: Enter also a job that is done, because its files are lost.

        Returns:
            None, or the status of the job if it's there already.

        Raises:
            TooManyRequests: The queue is full.
        """
        row = Prediction(id=job.id, study_uid=job.volume.study_uid, bundle=job.bundle, created=job.created)
        row.status, row.lease, row.study, row.origins = ARRIVING, lease, {}, []
        count = select(func.count()).where(Prediction.status.in_(WAITING), Prediction.bundle.in_(bundles))
        replaced = update(Prediction).where(Prediction.id == job.id).values(status=ARRIVING, lease=lease, beats=0)
        with self._database.alone() as session:
            status = session.scalar(select(Prediction.status).where(Prediction.id == job.id))
            if status not in ((None, FAILED, DONE) if again else (None, FAILED)):
                return status
            if session.scalars(count).one() >= self._capacity:
                raise TooManyRequests(
                    f"The queue is full; it has room for {self._capacity}.", retry_after=RETRY_AFTER_S
                )
            if status is None:
                session.add(row)
            else:
                session.execute(replaced)
        return None

    def withdraw(self, id_: str, lease: str) -> None:
        """Undo `enter`: nothing was stored. A job that had an answer before has it again."""
        with self._database.write() as session:
            _withdraw(session, Prediction.id == id_, Prediction.lease == lease)

    def claim(self, bundles: Collection[str], but_not: Collection[str] = ()) -> Claim | None:
        """Claim the oldest job that nobody computes; None if there is none.

        Args:
            bundles: Only a job of these bundles.
            but_not: Ids of jobs to leave.
        """
        free = select(Prediction.id).where(
            Prediction.status == QUEUED,
            Prediction.lease.is_(None),
            Prediction.bundle.in_(bundles),
            Prediction.id.not_in(but_not),
        )
        oldest = free.order_by(Prediction.created, Prediction.id).limit(1)
        with self._database.read() as session:  # doesn't wait for those who write
            if session.scalar(oldest) is None:
                return None
        # One statement. PostgreSQL passes over rows that others are claiming; SQLite lets one process write at a time.
        chosen = Prediction.id == oldest.with_for_update(skip_locked=True).scalar_subquery()
        lease = new_lease()
        claimed = update(Prediction).where(chosen).values(lease=lease, beats=0, attempts=Prediction.attempts + 1)
        with self._database.write() as session:
            row = session.execute(claimed.returning(Prediction.id, Prediction.attempts)).one_or_none()
        return Claim(row.id, lease, row.attempts) if row else None

    def release(self, id_: str, lease: str) -> None:
        """Leave a job to anyone. The attempt doesn't count, because this process lives."""
        mine = (Prediction.id == id_, Prediction.lease == lease, Prediction.status == QUEUED)
        with self._database.write() as session:
            session.execute(update(Prediction).where(*mine).values(lease=None, attempts=Prediction.attempts - 1))

    def renew(self, leases: Collection[str]) -> None:
        """Show that the process that holds these leases lives."""
        held = (Prediction.status.in_(WAITING), Prediction.lease.in_(leases))
        with self._database.write() as session:
            session.execute(update(Prediction).where(*held).values(beats=Prediction.beats + 1))

    def end(self, id_: str, lease: str, beats: int) -> None:
        """End another process's lease, unless it has been renewed since. Its attempt counts."""
        unchanged = (Prediction.id == id_, Prediction.lease == lease, Prediction.beats == beats)
        with self._database.write() as session:
            _withdraw(session, *unchanged)
            session.execute(update(Prediction).where(*unchanged, Prediction.status == QUEUED).values(lease=None))

    def waiting(self) -> list[Waiting]:
        """The jobs without an answer. When this returns, other processes could write to the database, too."""
        rows = select(Prediction.id, Prediction.bundle, Prediction.lease, Prediction.beats)
        with self._database.write() as session:
            found = session.execute(rows.where(Prediction.status.in_(WAITING))).all()
        return [Waiting(*row) for row in found]


def _withdraw(session: Session, *which: ColumnElement[bool]) -> None:
    arriving = (*which, Prediction.status == ARRIVING)
    session.execute(delete(Prediction).where(*arriving, Prediction.answer.is_(None)))
    session.execute(
        update(Prediction).where(*arriving).values(status=Prediction.answer["status"].as_string(), lease=None)
    )
