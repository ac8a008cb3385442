"""The route MRNet as it is trained here, for the benchmark.

    python -m tests.bench.keras_side FOLDER

One process of `tests.bench.epoch`: trains on the folder's exams and prints what that took.
"""

import sys
import time
from pathlib import Path

import keras
import numpy as np

from tests.bench.task import EPOCHS, Task, peak_mb, report
from training.config.config import Config, load_config
from training.data.examples import Examples
from training.data.targets import ClassSets
from training.fitting.fit import Objective, Phase, fit, watchers
from training.fitting.losses import LOSSES
from training.fitting.network import untrained_network
from training.fitting.seeds import fix_seed


class Clock(keras.callbacks.Callback):
    """How long the last epoch took, the look at held-out exams included."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds = time.perf_counter() - self.start


def config_for(size: tuple[int, int]) -> Config:
    """The preset "mrnet" from random weights, on slices of this size."""
    return load_config("mrnet", ['trunk.weights="random"', f"recipe.size={list(size)}"])[0]


def network_for(size: tuple[int, int]) -> keras.Model:
    """What is trained, always with the same weights."""
    config = config_for(size)
    fix_seed(config.seed)
    return untrained_network(config, config.recipe).network


def examples(task: Task, count: int) -> Examples:
    """The first exams of a task."""
    return Examples(task.exams[:count], ClassSets(task.allowed[:count]), np.ones(count, np.float32))


def main() -> None:
    imported = peak_mb()
    task = Task.read(Path(sys.argv[1]))
    _, height, width = task.exams[0].shape
    config, network, clock = config_for((height, width)), network_for((height, width)), Clock()
    network.set_weights(task.weights)
    lessons = examples(task, len(task.exams)), examples(task, task.held_out)
    fit(
        network,
        Phase("fit", EPOCHS, config.fit.learning_rate, *lessons),
        Objective(LOSSES[config.fit.loss], ("categorical_accuracy",)),
        config.fit,
        config.seed,
        augmentation=config.augmentation,
        callbacks=[*watchers(config.fit), clock],
    )
    report(clock.seconds, imported)


if __name__ == "__main__":
    main()
