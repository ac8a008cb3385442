"""Train one preset on one exam table and write a bundle.

    python -m training.train PRESET --exams exams.csv --out bundles/NAME [--set key=value ...]

Read from top to bottom: `train` is the whole story. Same preset, exams and library versions on the same kind of CPU:
the same bundle, bit for bit.
"""

import argparse
import dataclasses
import shlex
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from data_prep.errors import InputError
from data_prep.exams import Exam, read_exams
from data_prep.labels import SCHEMES
from data_prep.workers import Workers
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration, fit_temperature
from models.mrnet import MRNet
from models.predictor import Predictor
from training.arrays import Batches, Examples, prepare
from training.config import Config, load_config
from training.evaluate import evaluate, figures, judged
from training.losses import set_loss
from training.metrics import check_judgeable
from training.seeds import fix_seed


def train(
    config: Config, text: str, exams: Sequence[Exam], out: Path, command: str, ready: Path, workers: Workers
) -> None:
    """Fit on split "train", choose epoch and temperature on "val", report on "test"; then write the bundle."""
    scheme = SCHEMES[config.scheme]
    splits = {name: [exam for exam in exams if exam.split == name] for name in ("train", "val", "test")}
    for name in ("train", "val"):
        if not splits[name]:
            raise ValueError(f"no exam of split {name!r} in the table")
    if splits["test"]:
        check_judgeable(np.array([exam.binary == {"unhealthy"} for exam in judged(splits["test"])]))

    fix_seed(config.seed)
    classifier = MRNet(config.trunk, config.fit.dropout, scheme, config.recipe)
    classifier.load_pretrained()
    if config.warm_up:
        lessons = dataclasses.replace(config.recipe, extent_mm=config.warm_up.extent_mm, size=config.warm_up.size)
        pupil = MRNet(config.trunk, config.fit.dropout, scheme, lessons)
        pupil.network.set_weights(classifier.network.get_weights())
        learn, held_out = (
            prepare(splits[name], scheme, lessons, ready, workers, on_ligament=True) for name in ("train", "val")
        )
        fit(pupil.network, learn, held_out, config, config.warm_up.epochs, config.warm_up.learning_rate)
        classifier.network.set_weights(pupil.network.get_weights())
    learn, held_out = (prepare(splits[name], scheme, config.recipe, ready, workers) for name in ("train", "val"))
    fit(classifier.network, learn, held_out, config, config.fit.epochs, config.fit.learning_rate)

    # The validation exams chose the epoch and now the temperature: no figure is reported on them.
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
    }
    parts = (classifier, config.route, config.recipe, calibration)
    write_bundle(out, *parts, {"figures": []}, provenance, text)
    if splits["test"]:
        rows = evaluate(Predictor(load_bundle(out)), splits["test"])
        measured = figures(rows, f"{'/'.join(sources)} exams of split test, never used for a choice")
        print(*measured, sep="\n")
        write_bundle(out, *parts, {"figures": [dataclasses.asdict(result) for result in measured]}, provenance, text)


def fit(
    network: keras.Model, learn: Examples, held_out: Examples, config: Config, epochs: int, learning_rate: float
) -> None:
    """Adam with decoupled weight decay, until the held-out loss stops falling; the best epoch's weights remain."""
    optimiser = keras.optimizers.AdamW(learning_rate, weight_decay=config.fit.weight_decay)
    optimiser.exclude_from_weight_decay(var_names=["bias"])
    # Compiling for each shape of exam would cost more than it saves on a CPU.
    network.compile(optimiser, set_loss, weighted_metrics=["categorical_accuracy"], jit_compile=False)
    network.fit(
        Batches(learn, config.fit.batch_exams, config.augmentation, config.seed, config.fit.oversample),
        validation_data=Batches(held_out, config.fit.batch_exams, None, config.seed),
        epochs=epochs,
        callbacks=[
            keras.callbacks.EarlyStopping("val_loss", patience=config.fit.patience, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=config.fit.patience // 2),
        ],
        verbose=2,
    )


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a preset on an exam table and write a bundle.")
    parser.add_argument("preset", help="a name in training/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument("--ready", type=Path, help="folder of ready arrays (default: `ready` beside the exam table)")
    Workers.add_options(parser)
    arguments = parser.parse_args()
    changes = [word for change in arguments.set for word in ("--set", change)]
    command = shlex.join(["python", "-m", "training.train", arguments.preset, *changes])
    try:
        config, text = load_config(arguments.preset, arguments.set)
        ready = arguments.ready or arguments.exams.parent / "ready"
        exams = read_exams(arguments.exams)
        train(config, text, exams, arguments.out, command, ready, Workers.from_options(arguments))
    except (ValueError, InputError, FileNotFoundError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
