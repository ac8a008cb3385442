"""Search for the hyperparameters of a preset.

    python -m training.tune PRESET --exams exams.csv --trials 50 --out runs/NAME [--space SPACE] [--set key=value ...]

Each trial draws values from a space, learns on each fold's exams, and is scored on the exams that the fold holds out.
Exams of split "test" aren't used. If a search is killed, the same command continues it. Several processes, on one or
more machines, share the trials when they use the same SQL storage.
"""

import argparse
import csv
import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tomlkit
from optuna.trial import TrialState

from data_prep.exams.look import look_at
from data_prep.files import replacing
from data_prep.labels import SCHEMES
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from training.config.config import load_config
from training.config.place import Place
from training.config.search_space import load_space
from training.data.folds import check_some, eligible
from training.runs.faults import LESS_MEMORY, faults_as_sentences
from training.search.plots import write_plots
from training.search.search import CHANGES, METRICS, Search, SearchResult, search
from training.search.storage import FAILED

STORAGE_VARIABLE = "CRUCIATE_SEARCH_STORAGE"


def tune(options: argparse.Namespace, command: str) -> None:
    """Run or continue a search; write its trials, its best preset and its plots.

    Args:
        options: the parsed command line.
        command: the command line to write into the best preset.

    Raises:
        ValueError: if the preset, the space, the exams or the storage can't be used. Unreadable pixels are an
            InputError, which is a ValueError.
        OSError: if a file can't be read or written.
    """
    config, _ = load_config(options.preset, options.set)
    plan = Search(
        options.preset,
        options.set,
        load_space(options.space or config.route),
        options.trials,
        options.folds,
        options.metric,
    )
    exams = read_exams(options.exams)
    looks = look_at(exams, options.exams.parent / ".looks", Workers.from_options(options))
    together, left_out = eligible(exams, looks, SCHEMES[config.scheme])
    check_some(together, left_out)
    taking_part = [exam for group in together for exam in group]
    print(f"{len(taking_part)} exams in {len(together)} groups that stay together")
    for reason, count in left_out.items():
        print(f"{count} exams {reason} are left out")

    options.out.mkdir(parents=True, exist_ok=True)
    storage = options.storage or os.environ.get(STORAGE_VARIABLE) or f"sqlite:///{options.out / 'search.db'}"
    place = Place.from_options(options)
    place = place if options.run else replace(place, run=options.out / "trials")
    found = search(plan, together, storage, options.out.name, place)

    sources = "/".join(sorted({exam.source for exam in taking_part}))
    scored_on = f"{options.folds} folds of {len(taking_part)} {sources} exams of {options.exams.name}"
    write_trials(found, options.out / "trials.csv")
    write_best(found, plan, options.out / "best.toml", command, scored_on)
    write_plots(found.trials, options.metric, options.metric == "loss", options.out)
    print(f"best of {len(found.trials)}: trial {found.best.number}, {options.metric} {found.score:.4f} on {scored_on}")
    best = options.out / "best.toml"
    print(f"its preset is {best}; it was chosen on these same folds, so expect a worse score on other exams")
    exams_table, bundle = shlex.quote(str(options.exams)), shlex.quote(f"bundles/{options.out.name}")
    print(f"train with it:  python -m training.train {shlex.quote(str(best))} --exams {exams_table} --out {bundle}")


def write_trials(found: SearchResult, path: Path) -> None:
    """Write one row for each trial that counts. A value that the trial didn't use is empty."""
    values = [dict(change.split("=", 1) for change in trial.user_attrs[CHANGES]) for trial in found.trials]
    keys = sorted({key for row in values for key in row})
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["trial", "state", "score", "folds", "seconds", FAILED, *keys])
        for trial, row in zip(found.trials, values, strict=True):
            seconds = trial.duration.total_seconds() if trial.duration else math.nan
            figures = [trial.value, len(trial.intermediate_values), round(seconds, 1)]
            drawn = [tomlkit.value(row[key]).unwrap() if key in row else "" for key in keys]
            writer.writerow(
                [trial.number, trial.state.name.lower(), *figures, trial.user_attrs.get(FAILED, ""), *drawn]
            )


def write_best(found: SearchResult, plan: Search, path: Path, command: str, scored_on: str) -> None:
    """Write the preset with the best trial's values, and a header that says where they come from."""
    _, text = load_config(plan.preset, [*plan.changes, *found.changes])
    complete = sum(trial.state == TrialState.COMPLETE for trial in found.trials)
    heading = f"""\
# Made by {command}
# from the preset below, with the values of trial {found.best.number}: {plan.metric} {found.score:.4f}, the mean of
# {scored_on}, each predicted by a model that hadn't seen it.
# It is the best of {len(found.trials)} trials ({complete} complete) on the same folds, so it is an optimistic figure.
# For a fair figure, evaluate on exams of split "test", which weren't used.
#
#   python -m training.train {path} --exams exams.csv --out bundles/{path.parent.name}

"""
    with replacing(path) as partial:
        partial.write_text(heading + text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Search for the hyperparameters of a preset on validation folds.")
    parser.add_argument("preset", help="a name in training/config/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument(
        "--out", type=Path, required=True, help="the search's folder; its name is also the search's name"
    )
    parser.add_argument(
        "--trials", type=int, default=50, help="how many in total, with those of other processes and runs"
    )
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--metric", choices=METRICS, default="loss")
    parser.add_argument("--space", help="a name in training/config/spaces or a TOML file (default: the route's)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="fix a key of the preset")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help=f"the search's database (default: the environment variable {STORAGE_VARIABLE}, which keeps a password out "
        "of the process list, or a SQLite file in OUT)",
    )
    Place.add_options(parser)
    options = parser.parse_args(arguments)
    changes = [word for change in options.set for word in ("--set", change)]
    space = ["--space", options.space] if options.space else []
    words = ["--trials", str(options.trials), "--folds", str(options.folds), "--metric", options.metric]
    words += Place.words(options.mixed_precision, bool(options.localiser))
    command = shlex.join(["python", "-m", "training.tune", options.preset, *words, *space, *changes])
    with faults_as_sentences(parser, LESS_MEMORY):
        tune(options, command)


if __name__ == "__main__":
    main()
