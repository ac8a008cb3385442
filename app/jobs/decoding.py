"""Studies decoded and prepared by other processes, ahead of the network: one that kills its decoder stops no other.

Workers import this file, so it knows no Keras.
"""

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import loky
import numpy as np

from app.contract.problems import Problem, problem_of, reported
from app.store.job import Job
from data_prep.errors import MalformedInput
from data_prep.network_input.prepared import Prepared
from data_prep.network_input.recipe import Recipe
from data_prep.selection.series import load_study
from data_prep.selection.side import Side
from data_prep.workers import Workers

# Studies that each process may be ahead: enough for a network that never waits, and few volumes in memory.
AHEAD = 2
# A network's threads wait for one another: one that has to share its core with a decoder holds all of them up.
NICE = 19


class Ready(NamedTuple):
    """A decoded study, and what the network is given of it."""

    job: Job
    prepared: Prepared


def decode(study: Path, bundle: str, recipe: Recipe, laterality: Side | None = None) -> Ready | Problem:
    """Read and prepare a folder or zip for a bundle (sha256); whatever is wrong belongs to this study.

    laterality: the knee that is meant, where the study shows both.
    """
    started = time.perf_counter()
    try:
        selection = load_study(study, laterality=laterality)
        job = Job.of(selection, bundle, round(1000 * (time.perf_counter() - started), 2))
        return Ready(job, Prepared.of(job.volume, recipe))
    except Exception as error:
        return reported(error)


def decoded(
    studies: Sequence[Path], bundle: str, recipe: Recipe, workers: Workers, scratch: Path
) -> Iterator[tuple[Path, Ready | Problem]]:
    """Every study, in order, without its own pixels. None is decoded in this process, so that it survives them all.

    scratch: an empty folder for slices on their way; a cluster sends them through the network.
    """
    todo, flying = deque(studies), deque[tuple[Path, Future[Parcel]]]()
    with _elsewhere(workers, scratch) as others:
        while todo or flying:
            while todo and len(flying) < AHEAD * others.processes:
                study = todo.popleft()
                flying.append((study, others.begin(partial(pack, study, bundle, recipe, others.scratch))))
            study, future = flying.popleft()
            try:
                outcome = _unpacked(future.result())
            except others.death:
                outcome = _alone(partial(pack, study, bundle, recipe, None))
            yield study, outcome


class Parcel(NamedTuple):
    """A study on its way from another process; slices: the file where they are, if they aren't in it."""

    outcome: Ready | Problem
    slices: Path | None = None


def pack(study: Path, bundle: str, recipe: Recipe, scratch: Path | None) -> Parcel:
    """Decode, and leave behind what no answer needs. A file takes a fifth of the time that a pipe does."""
    outcome = decode(study, bundle, recipe)
    if isinstance(outcome, Problem):
        return Parcel(outcome)
    job, prepared = outcome
    job = replace(job, volume=replace(job.volume, voxels=job.volume.voxels[:, :0, :0]), sources=())
    if scratch is None:
        return Parcel(Ready(job, prepared))
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as stream:
        np.save(stream, prepared.slices)
    return Parcel(Ready(job, replace(prepared, slices=prepared.slices[:0])), Path(stream.name))


def _unpacked(parcel: Parcel) -> Ready | Problem:
    if parcel.slices is None or isinstance(parcel.outcome, Problem):
        return parcel.outcome
    slices = np.load(parcel.slices)
    parcel.slices.unlink()
    job, prepared = parcel.outcome
    return Ready(job, replace(prepared, slices=slices))


class _Others(NamedTuple):
    """Who decodes; how many; what their futures raise when a process has died; where they leave slices."""

    submit: Callable[..., "Future[Parcel]"]
    processes: int
    death: type[Exception]
    scratch: Path | None

    def begin(self, packing: Callable[[], Parcel]) -> "Future[Parcel]":
        """Where a process dies at this moment, the future says so."""
        try:
            return self.submit(packing)
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
        count = workers.processes
        yield _Others(lambda *call: workers.pool(count, NICE).submit(*call), count, BrokenExecutor, scratch)


def _alone(packing: Callable[[], Parcel]) -> Ready | Problem:
    """Any study under way may have killed the process: this one is tried by itself."""
    with loky.ProcessPoolExecutor(1) as process:
        try:
            parcel: Parcel = process.submit(packing).result()
        except BrokenExecutor:
            return problem_of(MalformedInput("Decoding it kills the process that tries."))
    return parcel.outcome
