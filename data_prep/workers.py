"""Who does work over many exams: processes here, or the workers of a Dask cluster. One code path for both."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

import joblib
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """jobs: processes here, -1 for one a core. cluster: address of a Dask scheduler; '' for this machine.

    A cluster's workers start in a copy of this repository and see the exams under the same paths.
    """

    jobs: int = -1
    cluster: str = ""

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
        """`function` of every item, results in order as they come, with a progress bar: rate and time left.

        Few items are in flight at a time, so memory doesn't grow with their number. What `function` raises is raised.
        """
        with self._backend():
            parallel = joblib.Parallel(n_jobs=self.jobs, return_as="generator", pre_dispatch="2*n_jobs", batch_size=1)
            results = parallel(joblib.delayed(function)(item) for item in items)
            yield from tqdm(results, total=len(items), desc=what, unit="exam", disable=None)

    @contextmanager
    def _backend(self) -> Iterator[None]:
        if not self.cluster:
            yield
            return
        from distributed import Client  # a second to import, and needed by few

        with Client(self.cluster), joblib.parallel_config(backend="dask"):
            yield

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """`--jobs` and `--cluster`, for `from_options`."""
        parser.add_argument("--jobs", type=int, default=-1, help="processes on this machine (default: one a core)")
        parser.add_argument("--cluster", default="", metavar="ADDRESS", help="a Dask scheduler to work on instead")

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Self:
        """The workers that the command line asks for."""
        return cls(options.jobs, options.cluster)
