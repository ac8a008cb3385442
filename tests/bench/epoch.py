"""What training costs, beside a plain PyTorch loop and a bare forward pass; and how long support vectors take.

    python -m tests.bench.epoch [--exams 6] [--rounds 3]

Side by side in one run; only ratios carry over to another machine, and they are taken round by round. Each epoch has
a process of its own, so that neither library's threads or memory count against the other. What is seen is noise:
speed doesn't depend on it.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from timeit import timeit

import numpy as np

from data_prep.labels import FOUR_CLASS
from data_prep.prepare.cache import CachedInputs
from models.trunks import Trunk, build_trunk
from tests.bench.keras_side import network_for
from tests.bench.task import Task
from training.config.svc_fit import SvcFit
from training.data.features import BATCH, cached_features
from training.fitting.svc import fit

SIDES = "keras", "torch"
# What a side answers. Libraries take memory themselves, before they do anything.
MEASURED = {"seconds": "seconds", "peak memory, MB": "peak_mb", "of it beyond imports": "training_mb"}
# Of one exam as MRNet sees it.
SLICES, SIZE = 24, (256, 256)
VGG16, VGG16_SIZE = Trunk("vgg16", "block5_conv3"), (224, 224)
# KneeMRI's exams in the published experiment, and about how they fell into the four classes.
CACHED, SHARES = 761, (0.75, 0.09, 0.1, 0.06)
CHANNELS, FOLDS = 512, 5
# How far a class stands out in its channel, in standard deviations of the others.
SIGNAL = 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description="What training costs.")
    parser.add_argument("--exams", type=int, default=6, help="exams of an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    _epochs(arguments.exams, arguments.rounds)
    _features(arguments.rounds)
    _support_vectors()


def _epochs(exams: int, rounds: int) -> None:
    """An epoch of the route MRNet, beside one in plain PyTorch."""
    if importlib.util.find_spec("torch") is None:
        print("There is no PyTorch to compare with: pip install -r requirements-bench.txt adds it.")
        return
    with tempfile.TemporaryDirectory(prefix="cruciate-") as folder:
        some_task(exams, SLICES, SIZE).write(Path(folder))
        took = [{side: _side(side, folder) for side in SIDES} for _ in range(rounds)]
    print(f"Medians of {rounds} rounds, an epoch of {exams} exams of {SLICES} slices, one exam a step:\n")
    print(" " * 37 + "   ".join(f"{side:>8}" for side in SIDES))
    for name, what in MEASURED.items():
        medians = (np.median([each[side][what] for each in took]) for side in SIDES)
        ratio = np.median([each["keras"][what] / each["torch"][what] for each in took])
        print(f"{name:37}" + "   ".join(f"{median:8.1f}" for median in medians) + f"{ratio:8.2f}   (at most 1.00)")


def some_task(exams: int, slices: int, size: tuple[int, int]) -> Task:
    """Noise of two classes, and random weights."""
    random = np.random.default_rng(0)
    allowed = np.eye(2, dtype=np.float32)[np.arange(exams) % 2]
    pixels = [random.random((slices, *size), np.float32) for _ in range(exams)]
    return Task(pixels, allowed, network_for(size).get_weights(), held_out=1)


def _side(side: str, folder: str) -> dict[str, float]:
    """What a process of its own says of its last epoch."""
    command = [sys.executable, "-m", f"tests.bench.epoch.{side}_side", folder]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    took: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return took


def _features(rounds: int) -> None:
    """Features of VGG16, computed and stored as for the SVC, beside the forward passes alone."""
    network, noise = build_trunk(VGG16, VGG16_SIZE, "caffe"), np.random.default_rng(0)
    batches = noise.random((2, BATCH, *VGG16_SIZE), np.float32)
    # Exams end in the middle of a batch, as they do.
    exams = np.split(batches.reshape(-1, *VGG16_SIZE), [SLICES, SLICES + BATCH // 2])
    network.predict_on_batch(batches[0])
    ratios = []
    for _ in range(rounds):
        bare = timeit(lambda: [network.predict_on_batch(batch) for batch in batches], number=1)
        with tempfile.TemporaryDirectory(prefix="cruciate-") as folder:
            paths = [Path(folder) / f"{number}.npy" for number in range(len(exams))]
            for path, slices in zip(paths, exams, strict=True):
                np.save(path, slices)
            arrays, kept = CachedInputs(tuple(paths)), Path(folder) / "kept"
            whole = timeit(partial(cached_features, network, VGG16, arrays, kept), number=1)
        ratios.append(bare / whole)
    print(f"\nrate of VGG16 features / of its bare forward pass {np.median(ratios):5.2f}   (at least 0.85)")


def _support_vectors() -> None:
    """A linear SVC fitted to all cached exams, and to each fold's; the severity shows in the first channels."""
    random = np.random.default_rng(0)
    grade = random.choice(len(FOUR_CLASS), CACHED, p=SHARES)
    features = random.normal(size=(CACHED, CHANNELS))
    features[:, : len(FOUR_CLASS)] += SIGNAL * np.eye(len(FOUR_CLASS))[grade]
    labels, weights = np.eye(len(FOUR_CLASS), dtype=np.float32)[grade], np.ones(CACHED, np.float32)
    start = time.perf_counter()
    fit(features, labels, weights, SvcFit(), FOUR_CLASS, seed=1)
    decisions = np.zeros((CACHED, len(FOUR_CLASS)))
    for fold in range(FOLDS):
        known = np.arange(CACHED) % FOLDS != fold
        machine = fit(features[known], labels[known], weights[known], SvcFit(), FOUR_CLASS, seed=1)
        decisions[~known] = machine.decisions(features[~known])
    seconds = time.perf_counter() - start
    right = np.mean(decisions.argmax(axis=1) == grade)
    print(f"linear SVC, {CACHED} exams, fit and {FOLDS} folds    {seconds:6.2f} s (at most 60); {right:.0%} right")


if __name__ == "__main__":
    main()
