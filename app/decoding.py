"""Studies decoded by other processes, ahead of the network: a study that kills its decoder stops no other.

Workers import this file, so it knows no Keras.
"""

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import loky
import numpy as np

from app.job import Job
from app.problems import Problem, problem_of, reported
from data_prep.errors import MalformedInput
from data_prep.series import load_study
from data_prep.workers import Workers

# Studies that each process may be ahead: enough for a network that never waits, and few volumes in memory.
AHEAD = 2


def decode(study: Path, bundle: str) -> Job | Problem:
    """Read a folder or zip for a bundle (sha256); whatever is wrong belongs to this study."""
    started = time.perf_counter()
    try:
        selection = load_study(study)
        return Job.of(selection, bundle, round(1000 * (time.perf_counter() - started), 2))
    except Exception as error:
        return reported(error)


def decoded(
    studies: Sequence[Path], bundle: str, workers: Workers, scratch: Path
) -> Iterator[tuple[Path, Job | Problem]]:
    """Every study, in order. None is decoded in this process, so that it survives them all.

    scratch: an empty folder for pixels on their way; a cluster sends them through the network.
    """
    todo, flying = deque(studies), deque[tuple[Path, Future[Parcel]]]()
    with _elsewhere(workers, scratch) as others:
        while todo or flying:
            while todo and len(flying) < AHEAD * others.processes:
                flying.append((todo[0], others.begin(todo.popleft(), bundle)))
            study, future = flying.popleft()
            try:
                outcome = _unpacked(future.result())
            except others.death:
                outcome = _alone(study, bundle)
            yield study, outcome


class Parcel(NamedTuple):
    """A decoded study on its way from another process; voxels: the file where a job's are."""

    outcome: Job | Problem
    voxels: Path | None = None


def pack(study: Path, bundle: str, scratch: Path | None) -> Parcel:
    """Decode; a file takes a fifth of the time that a pipe does."""
    outcome = decode(study, bundle)
    if scratch is None or isinstance(outcome, Problem):
        return Parcel(outcome)
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as stream:
        np.save(stream, outcome.volume.voxels)
    rest = replace(outcome.volume, voxels=outcome.volume.voxels[:, :0, :0])
    return Parcel(replace(outcome, volume=rest), Path(stream.name))


def _unpacked(parcel: Parcel) -> Job | Problem:
    if parcel.voxels is None or isinstance(parcel.outcome, Problem):
        return parcel.outcome
    voxels = np.load(parcel.voxels, mmap_mode="r")
    parcel.voxels.unlink()
    return replace(parcel.outcome, volume=replace(parcel.outcome.volume, voxels=voxels))


class _Others(NamedTuple):
    """Who decodes; how many; what their futures raise when a process has died; where they leave voxels."""

    submit: Callable[..., "Future[Parcel]"]
    processes: int
    death: type[Exception]
    scratch: Path | None

    def begin(self, study: Path, bundle: str) -> "Future[Parcel]":
        """`pack`; where a process dies at this moment, the future says so."""
        try:
            return self.submit(pack, study, bundle, self.scratch)
        except self.death as error:
            lost: Future[Parcel] = Future()
            lost.set_exception(error)
            return lost


@contextmanager
def _elsewhere(workers: Workers, scratch: Path) -> Iterator[_Others]:
    if workers.cluster:
        from distributed import Client, KilledWorker  # a second to import, and needed by few

        with Client(workers.cluster) as client:
            count = max(sum(client.nthreads().values()), 1)
            yield _Others(client.get_executor().submit, count, KilledWorker, None)
    else:
        count = max(workers.processes - 1, 1)
        yield _Others(lambda *call: workers.pool(count).submit(*call), count, BrokenExecutor, scratch)


def _alone(study: Path, bundle: str) -> Job | Problem:
    """Any study under way may have killed the process: this one is tried by itself."""
    with loky.ProcessPoolExecutor(1) as process:
        try:
            parcel: Parcel = process.submit(pack, study, bundle, None).result()
        except BrokenExecutor:
            return problem_of(MalformedInput("Decoding it kills the process that tries."))
    return parcel.outcome
