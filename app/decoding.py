"""Studies decoded by other processes, ahead of the network: a study that kills its decoder stops no other.

Workers import this file, so it knows no Keras.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import loky

from app.problems import Problem, problem_of, reported
from data_prep.errors import MalformedInput
from data_prep.series import Selection, load_study
from data_prep.workers import Workers

# Studies that each process may be ahead: enough for a network that never waits, and few volumes in memory.
AHEAD = 2


@dataclass(frozen=True, eq=False)
class Decoded:
    """A study's volume, or what is wrong with it."""

    study: Path
    outcome: Selection | Problem
    decode_ms: float


def decode(study: Path) -> Decoded:
    """Read a folder or zip; whatever is wrong belongs to this study."""
    started = time.perf_counter()
    outcome: Selection | Problem
    try:
        outcome = load_study(study)
    except Exception as error:
        outcome = reported(error)
    return Decoded(study, outcome, round(1000 * (time.perf_counter() - started), 2))


def decoded(studies: Sequence[Path], workers: Workers) -> Iterator[Decoded]:
    """Every study, in order. None is decoded in this process, so that it survives them all."""
    todo, flying = deque(studies), deque[tuple[Path, Future[Decoded]]]()
    with _elsewhere(workers) as others:
        while todo or flying:
            while todo and len(flying) < AHEAD * others.processes:
                flying.append((todo[0], others.submit(todo.popleft())))
            study, future = flying.popleft()
            try:
                yield future.result()
            except others.death:
                yield _alone(study)


class _Others(NamedTuple):
    """Who decodes; how many; what their futures raise when a process has died."""

    submit: Callable[[Path], "Future[Decoded]"]
    processes: int
    death: type[Exception]


@contextmanager
def _elsewhere(workers: Workers) -> Iterator[_Others]:
    if workers.cluster:
        from distributed import Client, KilledWorker  # a second to import, and needed by few

        with Client(workers.cluster) as client:
            count = max(sum(client.nthreads().values()), 1)
            yield _Others(lambda study: client.get_executor().submit(decode, study), count, KilledWorker)
    else:
        count = max(workers.processes - 1, 1)
        yield _Others(lambda study: workers.pool(count).submit(decode, study), count, BrokenExecutor)


def _alone(study: Path) -> Decoded:
    """Any study under way may have killed the process: this one is tried by itself."""
    with loky.ProcessPoolExecutor(1) as process:
        try:
            result: Decoded = process.submit(decode, study).result()
        except BrokenExecutor:
            result = Decoded(study, problem_of(MalformedInput("Decoding it kills the process that tries.")), 0.0)
    return result
