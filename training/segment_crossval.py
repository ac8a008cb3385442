"""Cross-validate a segmenter's preset on annotated images, by patient.

    python -m training.segment_crossval PRESET --masks masks.csv --folds 5 --out runs/NAME [--set key=value ...]

Each fold learns as `training.segment` does, without the held-out patients, and then segments them. The run's folder has
a log of every fold, and at the end `figures.json` (Dice and accuracy of each fold, their means, and figures of all
held-out exams) and `exams.csv`. If a run is killed, the same command continues it. On a GPU use `--jobs 1`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.runs.cross_validation import FIGURES
from training.runs.faults import faults_as_sentences
from training.runs.mask_folds import EXAMS, MaskPlan, cross_validate_masks
from training.runs.segmenting import LESS_MEMORY, add_options, place_of


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Cross-validate a segmenter: figures on patients it hadn't seen.")
    parser.add_argument("preset", help="a name in training/config/segmenters or a TOML file")
    parser.add_argument("--masks", type=Path, required=True, help="the table of masks, see docs/masks.md")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument("--all", action="store_true", help="also use split test, which is left out by default")
    parser.add_argument("--bundles", action="store_true", help="write each fold's segmenter, into fold-N/bundle")
    add_options(parser)
    options = parser.parse_args(arguments)
    with faults_as_sentences(parser, f"{LESS_MEMORY}; or take fewer --jobs"):
        plan = MaskPlan(options.preset, tuple(options.set), options.masks, options.folds, options.all)
        print(*cross_validate_masks(plan, options.out, place_of(options), options.bundles), sep="\n")
        print(f"figures are in {options.out / FIGURES}, each exam's in {options.out / EXAMS}")


if __name__ == "__main__":
    main()
