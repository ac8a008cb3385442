"""How much faster network inputs are made by two processes than by one, and how little a second run costs.

    python -m tests.bench.decode [--exams 100] [--rounds 3]

Synthetic DICOM exams, three folders of arrays a round, side by side; only the ratios carry over to another machine.
Starting the processes is part of what is measured, importing this program isn't.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from loky import get_reusable_executor

from data_prep.network_input.recipe import Recipe
from data_prep.phantom.cohort import Cohort
from data_prep.prepare.cache import make_inputs
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers

RECIPE = Recipe((44.0, 68.0, 68.0), (112, 112))


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast network inputs are made.")
    parser.add_argument("--exams", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch:
        cohort = Path(scratch) / "cohort"
        Cohort(seed=1).write(cohort, arguments.exams, jobs=2)
        rounds = [_round(cohort, Path(scratch) / str(number)) for number in range(arguments.rounds)]
    one, two, again = np.median(rounds, axis=0)
    faster = np.median([first / second for first, second, _ in rounds])
    print(f"\nMedians of {arguments.rounds} rounds, {arguments.exams} synthetic DICOM exams:\n")
    print(f"one process      {one:7.2f} s\ntwo processes    {two:7.2f} s\na second run     {again:7.2f} s")
    print(f"\none process / two processes          {faster:5.2f}   (at least 1.60)")


def _round(cohort: Path, folder: Path) -> tuple[float, float, float]:
    one = _seconds(cohort, folder / "one", 1)
    two = _seconds(cohort, folder / "two", 2)
    return one, two, _seconds(cohort, folder / "two", 2)


def _seconds(cohort: Path, folder: Path, jobs: int) -> float:
    get_reusable_executor().shutdown(wait=True)
    exams = read_exams(cohort / "exams.csv")
    start = time.perf_counter()
    make_inputs(exams, RECIPE, folder, Workers(jobs))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
