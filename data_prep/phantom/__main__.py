"""`python -m data_prep.phantom`: write a cohort of synthetic knees as DICOM, with their truth and an exam table."""

import argparse
from pathlib import Path

from data_prep.labels import FOUR_CLASS
from data_prep.phantom.cohort import Cohort, class_weights


def main() -> None:
    """Read the command line and write the cohort."""
    parser = argparse.ArgumentParser(prog="python -m data_prep.phantom", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for exams.csv and one folder per exam")
    parser.add_argument("--exams", type=int, required=True, help="number of exams")
    parser.add_argument("--seed", type=int, required=True, help="the same seed gives the same bytes")
    parser.add_argument(
        "--classes",
        type=class_weights,
        default=Cohort.weights,
        help='relative weights, such as "healthy:2,complete rupture:1" (default: half are healthy); the classes: '
        + ", ".join(FOUR_CLASS.classes),
    )
    parser.add_argument("--val", type=float, default=Cohort.val, help="share of exams for validation")
    parser.add_argument("--test", type=float, default=Cohort.test, help="share of exams for testing")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes")
    options = parser.parse_args()
    cohort = Cohort(options.seed, options.classes, options.val, options.test)
    cohort.write(options.out, options.exams, options.jobs)


if __name__ == "__main__":
    main()
