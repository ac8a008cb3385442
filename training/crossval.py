"""Cross-validate a preset on an exam table.

    python -m training.crossval PRESET --exams exams.csv --folds 5 --out runs/NAME [--repeats R] [--set key=value ...]

Each fold learns as `training.train` does, without the held-out exams, and then predicts them. The run's folder has a
log and the held-out predictions of every fold, and at the end `predictions.csv` and `figures.json`. If a run is killed,
the same command continues it. `--repeats` may be raised later. On a GPU use `--jobs 1`, because parallel folds would
share the GPU's memory.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.files.manifest import check_free
from training.config.place import Place
from training.runs.cross_validation import FIGURES, Plan, cross_validate
from training.runs.faults import LESS_MEMORY, faults_as_sentences, next_steps
from training.runs.fold_run import PREDICTIONS


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Cross-validate a preset: figures on exams that the model hadn't seen."
    )
    parser.add_argument("preset", help="a name in training/config/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--repeats", type=int, default=1, help="how often to repeat with other folds, each time with the next seed"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument("--all", action="store_true", help="also use split test, which is left out by default")
    parser.add_argument("--ensemble", type=Path, metavar="BUNDLE", help="write the folds' models as one bundle")
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="TRIALS",
        help="run a search with this number of trials on each fold's own exams first",
    )
    parser.add_argument(
        "--space", default="", help="the space of that search, see training.tune (default: the route's)"
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle in the folder of --ensemble")
    Place.add_options(parser)
    options = parser.parse_args(arguments)
    with faults_as_sentences(parser, f"{LESS_MEMORY}; or take fewer --jobs"):
        plan = Plan(
            options.preset,
            tuple(options.set),
            options.exams,
            options.folds,
            options.repeats,
            options.all,
            options.tune,
            options.space,
        )
        if options.ensemble:
            check_free(options.ensemble, options.force)
        print(cross_validate(plan, options.out, Place.from_options(options), options.ensemble))
        print(f"figures are in {options.out / FIGURES}, the held-out predictions in {options.out / PREDICTIONS}")
        if options.ensemble:
            print(next_steps(options.ensemble))


if __name__ == "__main__":
    main()
