"""The published experiments, each cross-validated on one exam table, and one table of all of them.

    python -m training.experiments --exams exams.csv --out runs/experiments [--rows NAME ...] [--reduced | --quick]

training/config/experiments/published.toml lists the experiments, the published figures, and what `--reduced` and
`--quick` change. The output folder gets `table.md`, `table.csv` (one figure a line) and `table.json`, written after
every experiment, and one run of `training.crossval` for each, named by a digest of everything that its figures depend
on. If a run is killed, the same command continues it. If an experiment can't be run, the table says why, the others are
run anyway, and the exit status is 1.
"""

import argparse
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from data_prep.exams.look import look_at
from data_prep.labels import BINARY
from data_prep.tables.exams import read_exams, write_exams
from data_prep.workers import Workers
from training.config.place import Place
from training.config.published import Effort, Experiment, Experiments
from training.data.folds import check_some, eligible, make_folds
from training.evaluation.comparison import Entry, write_tables
from training.evaluation.metrics import Report
from training.fitting.backend import out_of_memory
from training.runs.cross_validation import FIGURES, Plan, cross_validate
from training.runs.faults import LESS_MEMORY, faults_as_sentences

FOLDS: dict[Effort, int] = {"full": 5, "reduced": 5, "quick": 3}
# `--quick` takes one exam out of PARTS, drawn with SEED.
PARTS, SEED = 10, 1


@dataclass(frozen=True)
class Runner:
    """Where and how experiments are run.

    Attributes:
        experiments: all experiments of the file.
        size: full, reduced or quick.
        common: what the plans of all experiments share.
        changes: `--set`; these override all other changes.
        out: the output folder.
        place: folders, processors and precision.
    """

    experiments: Experiments
    size: Effort
    common: Plan
    changes: tuple[str, ...]
    out: Path
    place: Place

    def entry(self, row: Experiment, run: bool) -> Entry:
        """The experiment with the figures of an earlier run, or of a new one if `run` is true and there is none."""
        if row.waits_for:
            return Entry(row, missing=row.waits_for)
        changes = (*self.experiments.changes(row, self.size), *self.changes)
        plan = replace(self.common, preset=row.preset, changes=(*row.set, *changes))
        entry = Entry(row, changes, plan.command(self.place), missing="not run yet")
        try:
            return replace(entry, report=self._report(row, plan, run))
        except (ValueError, OSError) as error:  # every InputError is a ValueError
            return replace(entry, missing=str(error))
        except Exception as error:
            if not out_of_memory(error):
                raise
            return replace(entry, missing=f"out of memory; {LESS_MEMORY}")

    def _report(self, row: Experiment, plan: Plan, run: bool) -> Report | None:
        settings = json.dumps(plan.settings(self.place), allow_nan=False).encode()
        folder = self.out / f"{row.name}-{hashlib.sha256(settings).hexdigest()[:8]}"
        if (folder / FIGURES).is_file():
            report: Report = TypeAdapter(Report).validate_json((folder / FIGURES).read_bytes())
            return report
        if not run:
            return None
        print(f"{row.name}: {row.experiment}", flush=True)
        start = time.monotonic()
        board = self.place.board / row.name if self.place.board else None
        report = cross_validate(plan, folder, replace(self.place, board=board))
        print(f"{report}\n{row.name} took {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
        return report


def write_tenth(table: Path, folder: Path, with_test: bool, workers: Workers) -> Path:
    """Write a table with a tenth of the exams. Labels keep their shares, and groups of exams stay together.

    Args:
        table: the exam table.
        folder: where the new table is written.
        with_test: whether exams of split "test" may be drawn.
        workers: the processes that read the exams.

    Returns:
        The path of the new table.

    Raises:
        ValueError: if no exam can take part, or there are too few of them.
    """
    exams = read_exams(table)
    together, left_out = eligible(exams, look_at(exams, table.parent / ".looks", workers), BINARY, with_test)
    check_some(together, left_out)
    drawn = {exam.exam_id for exam in next(make_folds(together, PARTS, repeats=1, seed=SEED)).held_out}
    path = folder / f"{table.stem}-tenth.csv"
    write_exams([exam for exam in exams if exam.exam_id in drawn], path)
    return path


def run(options: argparse.Namespace, command: str) -> list[Entry]:
    """Run the requested experiments and write the tables; returns those that failed."""
    experiments = Experiments.read()
    names = [row.name for row in experiments.row]
    if unknown := set(options.rows or ()) - set(names):
        raise ValueError(f"no row {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [row for row in experiments.row if row.name in (options.rows or names)]
    read_exams(options.exams)  # a table with errors ends the command here, not in every experiment

    place, table = Place.from_options(options), options.exams
    if options.size == "quick":
        table = write_tenth(table, options.out, options.all, place.workers)
    folds = options.folds or FOLDS[options.size]
    common = Plan("", (), table, folds, with_test=options.all)
    runner = Runner(experiments, options.size, common, tuple(options.set), options.out, place)

    entries = {row.name: runner.entry(row, run=False) for row in experiments.row}
    for row in chosen:
        entries[row.name] = runner.entry(row, run=True)
        text = write_tables(list(entries.values()), options.out, command)
    print(text, end="")
    print(f"the table is in {options.out / 'table.md'}; each row's run is in a folder beside it")
    return [entries[row.name] for row in chosen if not (entries[row.name].report or row.waits_for)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Cross-validate the published experiments; show our figures beside the published ones."
    )
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the experiments' folder")
    parser.add_argument(
        "--rows", nargs="+", metavar="NAME", help="run only these; the table also has those of earlier runs"
    )
    parser.set_defaults(size="full")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--reduced", dest="size", action="store_const", const="reduced", help="smaller settings, for 2 cores"
    )
    sizes.add_argument(
        "--quick",
        dest="size",
        action="store_const",
        const="quick",
        help="even smaller settings, on a tenth of the exams",
    )
    parser.add_argument("--folds", type=int, help="how many (default: 5, with --quick 3)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of every row")
    parser.add_argument("--all", action="store_true", help="also use split test, which is left out by default")
    Place.add_options(parser)
    options = parser.parse_args(arguments)
    size = [] if options.size == "full" else [f"--{options.size}"]
    folds = ["--folds", str(options.folds)] if options.folds else []
    flags = ["--all"] * options.all + Place.words(options.mixed_precision, bool(options.localiser))
    changes = [word for change in options.set for word in ("--set", change)]
    with faults_as_sentences(parser):
        failed = run(options, shlex.join(["python", "-m", "training.experiments", *size, *folds, *flags, *changes]))
    for entry in failed:
        print(f"{parser.prog}: {entry.row.name}: {entry.measured_on}", file=sys.stderr)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
