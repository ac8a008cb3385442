"""The leases of this process are renewed, and those of processes that died are ended."""

from collections.abc import Iterable, Sequence
from threading import Lock

from app.jobs.faults import FAULTS
from app.jobs.unchanged import DEAD_AFTER, Unchanged
from app.store.queue import Queue, Waiting, new_lease

# A bundle counts as loaded nowhere if nothing has changed in its jobs for this many rounds.
UNSERVED_AFTER = 300


class Leases:
    """The leases that this process holds, and what it sees of the others."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = Lock()
        self._held: set[str] = set()
        # Job and lease, if the database couldn't be told.
        self._released: dict[str, str] = {}
        self._seen, self._bundles = Unchanged(), Unchanged()
        self._rounds = 0

    def new(self) -> str:
        """A new lease, which is renewed from now on."""
        lease = new_lease()
        self.hold(lease)
        return lease

    def hold(self, lease: str) -> None:
        """Renew a lease from now on."""
        with self._lock:
            self._held.add(lease)

    def drop(self, lease: str) -> None:
        """Don't renew it any more."""
        with self._lock:
            self._held.discard(lease)

    def release(self, id_: str, lease: str) -> None:
        """Leave a job to anyone: now, or as soon as the database can be written."""
        with self._lock:
            self._released[id_] = lease
        try:
            self._tell(id_, lease)
        except FAULTS:
            return  # the next round tries again

    def round(self) -> list[Waiting]:
        """Renew the leases of this process, and end those of dead processes. Returns the jobs that wait."""
        with self._lock:
            held, released = set(self._held), dict(self._released)
        if held:
            self._queue.renew(sorted(held))
        for id_, lease in released.items():
            self._tell(id_, lease)
        waiting = self._queue.waiting()
        self._end_dead([job for job in waiting if job.lease is not None and job.lease not in self._held])
        self._rounds += 1
        return waiting

    def unserved(self, waiting: Iterable[Waiting]) -> set[str]:
        """Digests of bundles whose jobs nobody has claimed, renewed or answered for long."""
        jobs: dict[str, set[Waiting]] = {}
        for job in waiting:
            jobs.setdefault(job.bundle, set()).add(job)
        ages = self._bundles.ages(jobs, self._rounds)
        return {bundle for bundle, age in ages.items() if age >= UNSERVED_AFTER}

    def _end_dead(self, others: Sequence[Waiting]) -> None:
        ages = self._seen.ages({job.id: (job.lease, job.beats) for job in others}, self._rounds)
        for job in others:
            if job.lease is not None and ages[job.id] >= DEAD_AFTER:
                self._queue.end(job.id, job.lease, job.beats)

    def _tell(self, id_: str, lease: str) -> None:
        self._queue.release(id_, lease)
        with self._lock:
            self._held.discard(lease)
            self._released.pop(id_, None)
