"""Train one preset on one exam table and write a bundle.

    python -m training.train PRESET --exams exams.csv --out bundles/NAME [--set key=value ...]

`train` shows all steps. The same preset, exams and library versions on the same kind of CPU give the same bundle, bit
for bit.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from data_prep.tables.exams import Exam, read_exams
from models.files.manifest import check_free
from training.config.config import Config, load_config
from training.config.place import Place
from training.data.checks import check_learnable, check_scorable_split
from training.fitting.learn import learn
from training.runs.bundling import check_bundleable, check_finite, in_memory, write
from training.runs.faults import faults_as_sentences, next_steps
from training.runs.measuring import measured


def train(config: Config, text: str, exams: Sequence[Exam], out: Path, command: str, place: Place) -> None:
    """Fit on split "train", choose epoch, temperature and operating point on "val", report on "test"; write the bundle.

    Args:
        config: the configuration.
        text: its TOML text, for the bundle.
        exams: the whole exam table.
        out: the bundle's folder. A bundle that is there is replaced when the new one is complete.
        command: the command line, for the bundle.
        place: folders, processors and precision.

    Raises:
        ValueError: if this configuration can't learn from these exams or a bundle can't hold the classifier.
    """
    check_bundleable(config)
    check_learnable(config, exams)
    test = [exam for exam in exams if exam.split == "test"]
    if test:
        check_scorable_split(test, "split test")
    learnt = learn(config, exams, place)
    check_finite(learnt)
    found = measured(in_memory(learnt, exams, out.name), exams, place, config.sensitivity)
    write(learnt, text, exams, out, command, found)
    learnt.fitted.forget()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a preset on an exam table and write a bundle.")
    parser.add_argument("preset", help="a name in training/config/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument("--force", action="store_true", help="replace the bundle that is at OUT")
    Place.add_options(parser)
    arguments = parser.parse_args()
    changes = [word for change in arguments.set for word in ("--set", change)]
    words = Place.words(arguments.mixed_precision, bool(arguments.localiser))
    command = shlex.join(["python", "-m", "training.train", arguments.preset, *changes, *words])
    with faults_as_sentences(parser):
        check_free(arguments.out, arguments.force)
        config, text = load_config(arguments.preset, arguments.set)
        exams = read_exams(arguments.exams)
        train(config, text, exams, arguments.out, command, Place.from_options(arguments))
        print(next_steps(arguments.out))


if __name__ == "__main__":
    main()
