"""Work on many exams in several processes, on this machine or on a Dask cluster. Both use the same code."""

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
AHEAD = 2  # items submitted for each other process: enough that none is idle, few so that little is in memory
HELD = 8  # results for each process that may wait behind a slow item


@dataclass(frozen=True)
class ProcessDied:
    """A process died while it worked on an item alone.

    Attributes:
        killed: Whether something else killed it, such as a kernel that has no memory left. The item isn't to blame.
    """

    killed: bool


class _Crew(NamedTuple):
    """The other processes.

    Attributes:
        submit: submits a function call.
        processes: how many processes there are.
        died: the exception that a future raises if its process has died.
    """

    submit: Callable[..., "Future[Any]"]
    processes: int
    died: type[Exception]

    def begin(self, function: Callable[[Item], Result], item: Item) -> "Future[Result]":
        """Submit an item; if a process dies at this moment, the future raises `died`."""
        try:
            return self.submit(function, item)
        except self.died as error:
            future: Future[Result] = Future()
            future.set_exception(error)
            return future


@dataclass(frozen=True)
class Workers:
    """The processes that do some work.

    A cluster's workers must start in a copy of this repository and see the exams under the same paths.

    Attributes:
        jobs: processes on this machine, this one included; -1 for one per core.
        cluster: address of a Dask scheduler, or ''.
    """

    jobs: int = -1
    cluster: str = ""

    def run(
        self, function: Callable[[Item], Result], items: Sequence[Item], what: str, unit: str = "exam"
    ) -> Iterator[Result]:
        """The results of `function` for every item, in the items' order, with progress on standard error.

        Few items are worked on at a time, so memory doesn't grow with their number. An exception of `function` is
        raised here. This process also works, from the start, because the others need a second to start.

        Args:
            function: what to do with an item.
            items: the items.
            what: the name of the work, for the progress.
            unit: the name of an item, for the progress.
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
        """Like `run`, but never in this process, so that no item can end this process.

        Args:
            function: what to do with an item.
            items: the items.
            nice: see `pool`.

        Returns:
            The results in the items' order. An item whose process dies is tried once more, alone; if that process dies
            too, the result is a ProcessDied.
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
        """This many processes on this machine, or all of the cluster's."""
        if self.cluster:
            from distributed import Client, KilledWorker  # takes a second to import, and few need it

            with Client(self.cluster) as client:
                count = max(sum(client.nthreads().values()), 1)
                yield _Crew(client.get_executor().submit, count, KilledWorker)
        else:
            # The pool is looked up at every call, because it is replaced after one of its processes has died.
            yield _Crew(lambda *call: self.pool(processes, nice).submit(*call), max(processes, 0), BrokenExecutor)

    @property
    def processes(self) -> int:
        """Processes on this machine, this one included."""
        return loky.cpu_count() + 1 + self.jobs if self.jobs < 0 else self.jobs

    def pool(self, processes: int, nice: int = 0) -> Executor:
        """A pool of processes besides this one. It is reused by later calls, unless one of its processes has died.

        Args:
            processes: how many.
            nice: their niceness, 0 to 19; at 19 they run only while no other process needs the core.
        """
        # The processes share the cores. A process that trains a fold grows because of TensorFlow: that isn't a leak.
        threads = str(max(loky.cpu_count() // (processes + 1), 1))
        env = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), threads)
        env["LOKY_MAX_MEMORY_LEAK_SIZE"] = str(LEAK_BYTES)
        pool: Executor = loky.get_reusable_executor(
            processes, timeout=IDLE_S, env=env, initializer=_begin, initargs=(nice, warnings.filters)
        )
        return pool

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add the options `--jobs` and `--cluster`, which `from_options` reads."""
        parser.add_argument("--jobs", type=int, default=-1, help="processes on this machine (default: one per core)")
        parser.add_argument(
            "--cluster", default="", metavar="ADDRESS", help="address of a Dask scheduler to use instead"
        )

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Self:
        """The workers that the command line asks for."""
        return cls(options.jobs, options.cluster)


def _alone(function: Callable[[Item], Result], item: Item) -> Result | ProcessDied:
    """Try an item alone in a new process, because another item may have killed the process before."""
    with loky.ProcessPoolExecutor(1) as process:
        try:
            result: Result = process.submit(function, item).result()
            return result
        except BrokenExecutor as error:
            return ProcessDied(killed="SIGKILL" in str(error))  # loky tells exit codes only in its message


def _begin(nice: int, filters: Sequence[Any]) -> None:
    """Let a new process show the warnings that this one shows."""
    os.nice(nice)
    warnings.resetwarnings()
    warnings.filters[:] = filters  # type: ignore[index]


def _done(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future
