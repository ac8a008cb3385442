"""Work over many exams by several processes: on this machine, or on a Dask cluster. One code path for both."""

import argparse
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

import loky

from data_prep.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

IDLE_S = 300  # a process without work ends after this time
LEAK_BYTES = 4_000_000_000  # a process that has grown by this much is replaced
AHEAD = 2  # items submitted for each other process, so that none is idle; few, so that little is in memory
HELD = 8  # results for each process that may wait for a slow one before them


class ProcessDied(Exception):
    """A process died while it worked on an item alone."""


class _Crew(NamedTuple):
    """The other processes. processes: how many. died: what a future raises if its process has died."""

    submit: Callable[..., "Future[Any]"]
    processes: int
    died: type[Exception]

    def begin(self, function: Callable[[Item], Result], item: Item) -> "Future[Result]":
        """Start; if a process dies at this moment, the future says so."""
        try:
            return self.submit(function, item)
        except self.died as error:
            future: Future[Result] = Future()
            future.set_exception(error)
            return future


@dataclass(frozen=True)
class Workers:
    """jobs: processes here, this one included; -1 for one a core. cluster: address of a Dask scheduler, or ''.

    A cluster's workers start in a copy of this repository and see the exams under the same paths.
    """

    jobs: int = -1
    cluster: str = ""

    def run(
        self, function: Callable[[Item], Result], items: Sequence[Item], what: str, unit: str = "exam"
    ) -> Iterator[Result]:
        """`function` of every item, results in the items' order as they come, with progress on standard error.

        Few items are in work at a time, so memory doesn't grow with their number. What `function` raises is raised.
        This process works as well, from the start: the others need a second to start.
        """
        todo, pending = deque(items), deque[Future[Result]]()
        with self._crew(min(self.processes, len(items)) - 1) as crew, Progress(len(items), what, unit) as progress:
            try:
                while todo or pending:
                    while todo and sum(not future.done() for future in pending) < AHEAD * crew.processes:
                        pending.append(crew.submit(function, todo.popleft()))
                    if todo and not self.cluster and len(pending) < HELD * (crew.processes + 1):
                        pending.append(_done(function(todo.popleft())))
                    else:  # nothing to do but wait
                        yield pending.popleft().result()
                        progress.update()
                    while pending and pending[0].done():
                        yield pending.popleft().result()
                        progress.update()
            finally:
                for future in pending:
                    future.cancel()

    def run_apart(
        self, function: Callable[[Item], Result], items: Iterable[Item], nice: int = 0
    ) -> Iterator[Result | ProcessDied]:
        """The same, but never in this process, so that it survives whatever an item does.

        An item whose process dies is tried once more, alone; if that process dies too, the result is a ProcessDied.
        nice: as `pool` has it.
        """
        todo, pending = deque(items), deque[tuple[Item, Future[Result]]]()
        with self._crew(self.processes, nice) as crew:
            while todo or pending:
                while todo and len(pending) < AHEAD * crew.processes:
                    item = todo.popleft()
                    pending.append((item, crew.begin(function, item)))
                item, future = pending.popleft()
                try:
                    yield future.result()
                except crew.died:
                    yield _alone(function, item)

    @contextmanager
    def _crew(self, processes: int, nice: int = 0) -> Iterator[_Crew]:
        """So many processes of this machine, or all of the cluster's."""
        if self.cluster:
            from distributed import Client, KilledWorker  # takes a second to import, and few need it

            with Client(self.cluster) as client:
                count = max(sum(client.nthreads().values()), 1)
                yield _Crew(client.get_executor().submit, count, KilledWorker)
        else:
            # Asked for at every call: the pool is a new one after one of its processes has died.
            yield _Crew(lambda *call: self.pool(processes, nice).submit(*call), max(processes, 0), BrokenExecutor)

    @property
    def processes(self) -> int:
        """Processes on this machine, this one included."""
        return loky.cpu_count() + 1 + self.jobs if self.jobs < 0 else self.jobs

    def pool(self, processes: int, nice: int = 0) -> Executor:
        """So many processes besides this one: the same ones every time, or new ones if one of them has died.

        nice: their niceness, 0 to 19; at 19 they run only while no other process needs the core.
        """
        # Each process is one of several on these cores, and a fold's grows by TensorFlow: that isn't a leak.
        threads = str(max(loky.cpu_count() // (processes + 1), 1))
        env = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), threads)
        env["LOKY_MAX_MEMORY_LEAK_SIZE"] = str(LEAK_BYTES)
        pool: Executor = loky.get_reusable_executor(
            processes, timeout=IDLE_S, env=env, initializer=_begin, initargs=(nice, warnings.filters)
        )
        return pool

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """`--jobs` and `--cluster`, for `from_options`."""
        parser.add_argument("--jobs", type=int, default=-1, help="processes on this machine (default: one a core)")
        parser.add_argument("--cluster", default="", metavar="ADDRESS", help="a Dask scheduler to work on instead")

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Self:
        """The workers that the command line asks for."""
        return cls(options.jobs, options.cluster)


def _alone(function: Callable[[Item], Result], item: Item) -> Result | ProcessDied:
    """Any item in work may have killed the process: this one is tried by itself."""
    with loky.ProcessPoolExecutor(1) as process:
        try:
            result: Result = process.submit(function, item).result()
            return result
        except BrokenExecutor:
            return ProcessDied()


def _begin(nice: int, filters: Sequence[Any]) -> None:
    """Let a new process show the warnings that this one shows."""
    os.nice(nice)
    warnings.resetwarnings()
    warnings.filters[:] = filters  # type: ignore[index]


def _done(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future
