"""Train any Keras model on any targets: one phase of epochs, early stopping, and the optimiser."""

from collections.abc import Mapping, Sequence
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
    """What a network is trained for.

    Attributes:
        loss: maps targets and outputs to `[B]`; of a network with several outputs, one for each by name.
        metrics: Keras' names, or metrics; they are weighted. Of several outputs, by name.
        weights: of the losses of several outputs, by name.
    """

    loss: Loss | Mapping[str, Loss]
    metrics: Sequence[str | keras.metrics.Metric] | Mapping[str, Sequence[str]] = ()
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Phase:
    """One call of Keras' `fit`: learn from `learn`, validate on `held_out`."""

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
    batches: type[Batches] = Batches,
) -> None:
    """Run one phase. Writes a line of the log for every epoch.

    Args:
        network: any Keras model from inputs `[B, S, ...]` to what the objective's loss takes.
        phase: the examples, how many epochs, and the first learning rate.
        objective: loss and metrics for the phase's kind of targets.
        settings: batch size and optimiser.
        seed: decides the order of batches and their random changes.
        augmentation: random changes of the training examples.
        callbacks: called in this order, after that of the log.
        first_epoch: the epoch in which a killed run continues.
        batches: makes batches of the examples.
    """
    # On a CPU, compiling for each shape of exam would take longer than it saves.
    network.compile(
        optimiser(settings, phase.learning_rate),
        objective.loss,
        loss_weights=objective.weights,
        weighted_metrics=objective.metrics if isinstance(objective.metrics, Mapping) else list(objective.metrics),
        jit_compile=False,
    )
    batch = settings.batch_exams
    with closing(EpochLog(phase.name, phase.epochs)) as telling:
        network.fit(
            batches(phase.learn, batch, augmentation, seed, settings.oversample, first_epoch),
            validation_data=batches(phase.held_out, batch, None, seed),
            initial_epoch=first_epoch,
            epochs=phase.epochs,
            callbacks=[telling, *callbacks],
            verbose=0,
        )


def watchers(fit: Fit, blind: bool = False, loss: str = "loss") -> list[keras.callbacks.Callback]:
    """Callbacks that lower the learning rate, and then stop, when the held-out loss no longer falls.

    The best epoch's weights are kept.

    Args:
        fit: the patience.
        blind: use the training loss, because the held-out loss isn't informative.
        loss: the name of the loss in the log, or of a metric that falls as the network learns.
    """
    watched = loss if blind else f"val_{loss}"
    plateau = fit.patience // 2 if fit.plateau_patience is None else fit.plateau_patience
    return [
        keras.callbacks.EarlyStopping(watched, patience=fit.patience, mode="min", restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(watched, factor=fit.plateau_factor, patience=plateau, mode="min"),
    ]


def optimiser(fit: Fit, learning_rate: float) -> keras.optimizers.Optimizer:
    """The preset's optimiser; biases don't decay."""
    momentum = {"momentum": fit.momentum} if fit.optimiser in ("sgd", "rmsprop") else {}
    made = OPTIMISERS[fit.optimiser](learning_rate, weight_decay=fit.weight_decay, **momentum)
    made.exclude_from_weight_decay(var_names=["bias"])
    return made
