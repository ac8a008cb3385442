"""Who does work over many exams: processes here, or the workers of a Dask cluster. One code path for both."""

import argparse
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

import loky

from data_prep.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

IDLE_S = 300  # a process without work ends after this time
LEAK_BYTES = 4_000_000_000  # a process that has grown by this much is replaced
AHEAD = 2  # items that wait for each of the others, so that none is idle while this process works
HELD = 8  # results for each process that may wait for a slow one before them


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
        """`function` of every item, results in order as they come, and it is told how many are done.

        Few items are in flight at a time, so memory doesn't grow with their number. What `function` raises is raised.
        This process works as well, from the start: the others take a second to come.
        """
        todo, flying = deque(items), deque[Future[Result]]()
        with (
            self._others(len(items)) as (others, count),
            Progress(len(items), what, unit) as progress,
        ):
            try:
                while todo or flying:
                    while others and todo and sum(not future.done() for future in flying) < AHEAD * count:
                        flying.append(others.submit(function, todo.popleft()))
                    if todo and not self.cluster and len(flying) < HELD * (count + 1):
                        flying.append(_done(function(todo.popleft())))
                    else:  # nothing to do but wait
                        yield flying.popleft().result()
                        progress.update()
                    while flying and flying[0].done():
                        yield flying.popleft().result()
                        progress.update()
            finally:
                for future in flying:
                    future.cancel()

    @contextmanager
    def _others(self, items: int) -> Iterator[tuple[Executor | None, int]]:
        """Those who help, and how many they are."""
        if self.cluster:
            from distributed import Client  # a second to import, and needed by few

            with Client(self.cluster) as client:
                yield client.get_executor(), max(sum(client.nthreads().values()), 1)
            return
        jobs = min(self.processes, items)
        yield (self.pool(jobs - 1), jobs - 1) if jobs > 1 else (None, 0)

    @property
    def processes(self) -> int:
        """On this machine, this one included."""
        return loky.cpu_count() + 1 + self.jobs if self.jobs < 0 else self.jobs

    def pool(self, processes: int, nice: int = 0) -> Executor:
        """So many processes besides this one: the same ones every time, or new ones if one of them has died.

        nice: how far they stand back when others want the processor, up to 19.
        """
        # Each process is one of several on these cores, and a fold's grows by TensorFlow: that isn't a leak.
        threads = str(max(loky.cpu_count() // (processes + 1), 1))
        env = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), threads)
        env["LOKY_MAX_MEMORY_LEAK_SIZE"] = str(LEAK_BYTES)
        pool: Executor = loky.get_reusable_executor(
            processes, timeout=IDLE_S, env=env, initializer=os.nice, initargs=(nice,)
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


def _done(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future
