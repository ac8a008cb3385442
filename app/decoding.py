"""Studies decoded by other processes, ahead of the network: a study that kills its decoder stops no other.

Workers import this file, so it knows no Keras.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import loky

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


def decoded(studies: Sequence[Path], bundle: str, workers: Workers) -> Iterator[tuple[Path, Job | Problem]]:
    """Every study, in order. None is decoded in this process, so that it survives them all."""
    todo, flying = deque(studies), deque[tuple[Path, Future[Job | Problem]]]()
    with _elsewhere(workers) as others:
        while todo or flying:
            while todo and len(flying) < AHEAD * others.processes:
                flying.append((todo[0], others.begin(todo.popleft(), bundle)))
            study, future = flying.popleft()
            try:
                outcome = future.result()
            except others.death:
                outcome = _alone(study, bundle)
            yield study, outcome


class _Others(NamedTuple):
    """Who decodes; how many; what their futures raise when a process has died."""

    submit: Callable[..., "Future[Job | Problem]"]
    processes: int
    death: type[Exception]

    def begin(self, study: Path, bundle: str) -> "Future[Job | Problem]":
        """`decode`; where a process dies at this moment, the future says so."""
        try:
            return self.submit(decode, study, bundle)
        except self.death as error:
            lost: Future[Job | Problem] = Future()
            lost.set_exception(error)
            return lost


@contextmanager
def _elsewhere(workers: Workers) -> Iterator[_Others]:
    if workers.cluster:
        from distributed import Client, KilledWorker  # a second to import, and needed by few

        with Client(workers.cluster) as client:
            count = max(sum(client.nthreads().values()), 1)
            yield _Others(client.get_executor().submit, count, KilledWorker)
    else:
        count = max(workers.processes - 1, 1)
        yield _Others(lambda *call: workers.pool(count).submit(*call), count, BrokenExecutor)


def _alone(study: Path, bundle: str) -> Job | Problem:
    """Any study under way may have killed the process: this one is tried by itself."""
    with loky.ProcessPoolExecutor(1) as process:
        try:
            outcome: Job | Problem = process.submit(decode, study, bundle).result()
        except BrokenExecutor:
            outcome = problem_of(MalformedInput("Decoding it kills the process that tries."))
    return outcome
