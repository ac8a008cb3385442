"""Train one preset on one exam table and write a bundle.

    python -m training.train PRESET --exams exams.csv --out bundles/NAME [--set key=value ...]

Read from top to bottom: `train` is the whole story. Same preset, exams and library versions on the same kind of CPU:
the same bundle, bit for bit.
"""

import argparse
import dataclasses
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.exams import Exam, read_exams
from data_prep.labels import SCHEMES
from data_prep.preprocess import Recipe
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration, fit_temperature
from models.finetuned import FineTuned
from models.mrnet import MRNet
from models.network import Head
from models.predictor import Predictor
from training.arrays import prepare, unseen_classes
from training.backend import out_of_memory
from training.config import Config, load_config
from training.evaluate import evaluate, figures, judged
from training.fit import Fitted, Splits, fit_network
from training.metrics import check_judgeable
from training.place import Place
from training.seeds import fix_seed
from training.svc import SvcFit, train_svc


def mrnet(config: Config, recipe: Recipe) -> MRNet:
    """An untrained MRNet that sees slices of this recipe."""
    return MRNet(config.trunk, config.fit.dropout, SCHEMES[config.scheme], recipe)


def finetuned(config: Config, recipe: Recipe) -> FineTuned:
    """The general network: any trunk and head, before it learns."""
    return FineTuned(config.trunk, config.head or Head(), SCHEMES[config.scheme], recipe)


def fit_svc(config: Config, splits: Splits, place: Place) -> Fitted:
    """A support vector classifier on a frozen trunk's features, which are cached beside the ready arrays."""
    scheme = SCHEMES[config.scheme]
    fix_seed(config.seed)
    learn = prepare(splits["train"], scheme, config.recipe, place.ready, place.workers)
    cache = place.ready / "features"
    svc = train_svc(config.svc or SvcFit(), config.trunk, scheme, config.recipe, learn, cache, config.seed)
    return Fitted(svc, {})


LESS_MEMORY = "lower fit.batch_exams, recipe.size or the first figure of recipe.extent_mm (fewer slices)"

# How a classifier of each route comes about.
ROUTES: dict[str, Callable[[Config, Splits, Place], Fitted]] = {
    "mrnet": partial(fit_network, mrnet),
    "finetuned": partial(fit_network, finetuned),
    "svc": fit_svc,
}


def train(config: Config, text: str, exams: Sequence[Exam], out: Path, command: str, place: Place) -> None:
    """Fit on split "train", choose epoch and temperature on "val", report on "test"; then write the bundle."""
    scheme = SCHEMES[config.scheme]
    splits = {name: [exam for exam in exams if exam.split == name] for name in ("train", "val", "test")}
    for name in ("train", "val"):
        if not splits[name]:
            raise ValueError(f"no exam of split {name!r} in the table")
    if splits["test"]:
        check_judgeable(np.array([exam.binary == {"unhealthy"} for exam in judged(splits["test"])]))
    for name in unseen_classes(splits["train"], scheme):
        print(f"warning: no training exam's label allows {name!r}", file=sys.stderr)

    fitted = ROUTES[config.route](config, splits, place)
    classifier = fitted.classifier

    # The validation exams chose the epoch and now the temperature: no figure is reported on them.
    held_out = prepare(splits["val"], scheme, config.recipe, place.ready, place.workers)
    logits = np.stack([classifier.logits(classifier.features(slices)) for slices in held_out.slices])
    temperature = fit_temperature(logits, held_out.allowed)
    calibration = Calibration(temperature, f"{len(logits)} validation exams")

    sources = sorted({exam.source for exam in exams})
    provenance = {
        "trained_on": "synthetic" if sources == ["phantom"] else ", ".join(sources),
        "exams": dict(Counter(exam.split for exam in exams)),
        "seed": config.seed,
        "commit": _commit(),
        "command": command,
        **fitted.notes,
    }
    parts = (classifier, config.route, config.recipe, calibration)
    write_bundle(out, *parts, {"figures": []}, provenance, text)
    if splits["test"]:
        rows = evaluate(Predictor(load_bundle(out)), splits["test"])
        measured = figures(rows, f"{'/'.join(sources)} exams of split test, never used for a choice")
        print(*measured, sep="\n")
        write_bundle(out, *parts, {"figures": [dataclasses.asdict(result) for result in measured]}, provenance, text)
    fitted.forget()


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


@contextmanager
def faults_as_sentences(parser: argparse.ArgumentParser, less_memory: str = LESS_MEMORY) -> Iterator[None]:
    """What is wrong with preset, exams or sizes ends the program with one sentence and exit status 2."""
    try:
        yield
    except (ValueError, OSError) as error:  # every InputError is a ValueError
        parser.exit(2, f"{parser.prog}: {error}\n")
    except Exception as error:
        if not out_of_memory(error):
            raise
        parser.exit(2, f"{parser.prog}: out of memory; {less_memory}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a preset on an exam table and write a bundle.")
    parser.add_argument("preset", help="a name in training/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    Place.add_options(parser)
    arguments = parser.parse_args()
    changes = [word for change in arguments.set for word in ("--set", change)]
    precision = ["--mixed-precision"] if arguments.mixed_precision else []
    command = shlex.join(["python", "-m", "training.train", arguments.preset, *changes, *precision])
    with faults_as_sentences(parser):
        config, text = load_config(arguments.preset, arguments.set)
        exams = read_exams(arguments.exams)
        train(config, text, exams, arguments.out, command, Place.from_options(arguments))


if __name__ == "__main__":
    main()
