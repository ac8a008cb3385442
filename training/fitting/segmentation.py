"""How a segmenter's network is trained: from a seed that starts well, or from the weights of an earlier segmenter.

A killed run continues, and ends with the same weights. The trainer is that of classifiers (`fit.fit`).
"""

import hashlib
import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from data_prep.volume import FloatArray
from models.segment.networks.registry import build
from training.config.place import Place
from training.config.segmentation import SegmentConfig
from training.data.mask_batches import MaskBatches
from training.data.mask_examples import MaskExamples
from training.fitting.backend import spread_over
from training.fitting.board import MaskBoard
from training.fitting.checkpoint import CheckpointCallback, RunState
from training.fitting.fit import Objective, Phase, fit, watchers
from training.fitting.mask_losses import MASK_LOSSES
from training.fitting.restart import BadStart, StartCheck, another_start
from training.fitting.seeds import fix_seed

# Part of a run's identity. Raise it when the same configuration is trained in a different way.
VERSION = 1
# The name of the loss without L2 in the log.
WITHOUT_L2 = "loss_without_l2"


@dataclass(frozen=True, eq=False)
class FittedMasks:
    """A trained network.

    Attributes:
        network: as `models.segment.networks.registry.build` makes it, in float32.
        notes: entries for the bundle's provenance.
        checkpoint: a file that is kept until the segmenter is saved.
    """

    network: keras.Model
    notes: dict[str, object]
    checkpoint: Path

    def forget(self) -> None:
        """Delete the checkpoint, and its folder if it is then empty. Call this when the bundle is written."""
        self.checkpoint.unlink(missing_ok=True)
        with suppress(OSError):
            self.checkpoint.parent.rmdir()


def fit_segmenter(
    config: SegmentConfig,
    learn: MaskExamples,
    held_out: MaskExamples,
    place: Place,
    weights: Sequence[FloatArray] | None = None,
) -> FittedMasks:
    """Learn from `learn`, choose the epoch on `held_out`. The result depends only on the arguments.

    Args:
        config: the network, its loss and the rest.
        learn: the training examples.
        held_out: the validation examples.
        place: folders and hardware.
        weights: those of an earlier network, to go on from. There is then no other start to try.

    Raises:
        ValueError: no start had a finite loss, or the weights that were learnt aren't finite.
    """
    path = place.run / f"{identity(config, learn, held_out, place, weights)}.npz"
    resumed = RunState.read(path) if path.is_file() else RunState([config.seed], settled=weights is not None)
    if path.is_file():
        print(f"continuing after epoch {resumed.epoch}")
    phase = Phase("fit", config.fit.epochs, config.fit.learning_rate, learn, held_out)
    while True:
        try:
            with spread_over(place.devices):
                network = _attempt(config, phase, place, path, resumed, weights)
            break
        except BadStart as bad:
            resumed = another_start(resumed, bad, config.fit.restarts)
    if not all(np.isfinite(weight).all() for weight in network.get_weights()):
        raise ValueError("training ended with weights that aren't finite numbers: lower fit.learning_rate")
    notes: dict[str, object] = {"seed": resumed.seeds[-1], "seeds_tried": list(dict.fromkeys(resumed.seeds))}
    if resumed.starts and resumed.settled:
        notes["rejected_starts"] = [[seed, loss] for seed, loss in resumed.starts]
    return FittedMasks(network, notes, path)


def identity(
    config: SegmentConfig,
    learn: MaskExamples,
    held_out: MaskExamples,
    place: Place,
    weights: Sequence[FloatArray] | None,
) -> str:
    """A digest of everything that a run depends on, so that a run never continues with another run's weights."""
    digest = hashlib.sha256(repr((VERSION, config, place.mixed_precision, place.devices)).encode())
    digest.update(f"{keras.version()} {keras.backend.backend()} {sys.byteorder}".encode())
    digest.update(f"{learn.sha256} {held_out.sha256}".encode())
    for weight in weights or ():
        digest.update(weight.tobytes())
    return digest.hexdigest()[:16]


def _attempt(
    config: SegmentConfig,
    phase: Phase,
    place: Place,
    path: Path,
    resumed: RunState,
    weights: Sequence[FloatArray] | None,
) -> keras.Model:
    """Train with one seed. Raises BadStart if the start is rejected, unless all were and this is the best."""
    seed = resumed.seeds[-1]
    fix_seed(seed)
    network = build(config.network)
    if weights is not None:
        network.set_weights(weights)
    learner = _half_precision(network, config) if place.mixed_precision else network
    loss = MASK_LOSSES[config.fit.loss]
    # Keras adds L2 to the loss. It falls in every epoch, also when the network no longer learns.
    watched = WITHOUT_L2 if learner.losses else "loss"
    metrics = (keras.metrics.MeanMetricWrapper(loss, name=WITHOUT_L2),) if learner.losses else ()
    callbacks = watchers(config.settings, loss=watched)
    keeper = CheckpointCallback(path, resumed, 0, callbacks)
    if place.board:
        callbacks.append(MaskBoard(place.board, learner, phase.held_out))
    if config.fit.restarts and not resumed.settled:
        limit = math.inf if config.fit.restart_above is None else config.fit.restart_above
        callbacks.insert(0, StartCheck(limit, watched=watched))
    fit(
        over_examples(learner, config),
        phase,
        Objective(loss, metrics),
        config.settings,
        seed,
        augmentation=config.augmentation,
        callbacks=[*callbacks, keeper],
        first_epoch=resumed.next_epoch(0, phase.epochs),
        batches=MaskBatches,
    )
    if learner is not network:
        network.set_weights(learner.get_weights())
    return network


def over_examples(network: keras.Model, config: SegmentConfig) -> keras.Model:
    """The network for batches `[B, s, h, w, channels]`; one that sees single slices is given them without s = 1."""
    if config.architecture.volumetric:
        return network
    slices = keras.Input((1, None, None, config.network.channels))
    logits = network(keras.ops.squeeze(slices, 1))
    return keras.Model(slices, keras.ops.expand_dims(logits, 1))


def _half_precision(network: keras.Model, config: SegmentConfig) -> keras.Model:
    """The same network and weights for float16 arithmetic."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        learner = build(config.network)
    finally:
        keras.config.set_dtype_policy(before)
    learner.set_weights(network.get_weights())
    return learner
