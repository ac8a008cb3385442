"""Train any Keras model on any targets: one phase of epochs, what watches them, and the optimiser."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import keras

from data_prep.augment import Augmentation
from training.config.config import Fit
from training.data.batches import Batches
from training.data.examples import Examples
from training.fitting.epoch_log import EpochLog
from training.fitting.losses import Loss

OPTIMISERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adamw": keras.optimizers.AdamW,
    "adam": keras.optimizers.Adam,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}


class Objective(NamedTuple):
    """What a network is trained for. loss: of targets and answers, `[B]`. metrics: weighted, by Keras' names."""

    loss: Loss
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Phase:
    """One call of Keras' `fit`: learn from some examples, watch others."""

    name: str
    epochs: int
    learning_rate: float
    learn: Examples
    held_out: Examples


def fit(
    network: keras.Model,
    phase: Phase,
    objective: Objective,
    settings: Fit,
    seed: int,
    *,
    augmentation: Augmentation | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    first_epoch: int = 0,
) -> None:
    """Run one phase. Every epoch is a line of the log.

    Args:
        network: any Keras model from inputs `[B, S, ...]` to what the objective's loss takes.
        phase: the examples, how many epochs, and the first learning rate.
        objective: loss and metrics for the phase's kind of targets.
        settings: batch size and optimiser.
        seed: decides the order of batches and their random changes.
        augmentation: random changes of the examples that are learnt from.
        callbacks: called after the log's own, in this order.
        first_epoch: where a killed run continues.
    """
    # Compiling for each shape of exam would cost more than it saves on a CPU.
    network.compile(
        optimiser(settings, phase.learning_rate),
        objective.loss,
        weighted_metrics=list(objective.metrics),
        jit_compile=False,
    )
    batch = settings.batch_exams
    with closing(EpochLog(phase.name, phase.epochs)) as telling:
        network.fit(
            Batches(phase.learn, batch, augmentation, seed, settings.oversample, first_epoch),
            validation_data=Batches(phase.held_out, batch, None, seed),
            initial_epoch=first_epoch,
            epochs=phase.epochs,
            callbacks=[telling, *callbacks],
            verbose=0,
        )


def watchers(fit: Fit, blind: bool = False) -> list[keras.callbacks.Callback]:
    """Stop when the held-out loss no longer falls, with the best epoch's weights; take smaller steps before that.

    blind: the held-out exams can't tell; the training loss is watched instead.
    """
    watched = "loss" if blind else "val_loss"
    plateau = fit.patience // 2 if fit.plateau_patience is None else fit.plateau_patience
    return [
        keras.callbacks.EarlyStopping(watched, patience=fit.patience, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(watched, factor=fit.plateau_factor, patience=plateau),
    ]


def optimiser(fit: Fit, learning_rate: float) -> keras.optimizers.Optimizer:
    """As the preset names it; biases don't decay."""
    momentum = {"momentum": fit.momentum} if fit.optimiser in ("sgd", "rmsprop") else {}
    made = OPTIMISERS[fit.optimiser](learning_rate, weight_decay=fit.weight_decay, **momentum)
    made.exclude_from_weight_decay(var_names=["bias"])
    return made
