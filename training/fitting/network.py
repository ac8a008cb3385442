"""How a classifier's network is trained: one phase after the other, from a seed that starts well.

`fit_network` shows all steps. A killed run continues.
"""

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from data_prep.augment import Augmentation
from data_prep.labels import SCHEMES
from data_prep.network_input.recipe import Recipe
from data_prep.notice import Notice
from data_prep.prepare.cache import Around
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from models.routes.classifier import ExamClassifier
from models.routes.finetuned import FineTuned
from models.trunks import check_layer, train_from
from training.config.config import Config, Fit, WarmUp
from training.config.place import Place
from training.data.copies import with_copies
from training.data.examples import Examples, prepare
from training.data.frozen import FrozenFeatures
from training.data.ligaments import CLASSES, WithLigaments, with_ligaments
from training.data.targets import rarity
from training.fitting.backend import spread_over
from training.fitting.board import Board
from training.fitting.checkpoint import CheckpointCallback, RunState
from training.fitting.fit import Objective, Phase, fit, watchers
from training.fitting.guided import GuidedNetwork, grid_of, guided_objective
from training.fitting.losses import LOSSES
from training.fitting.restart import BadStart, StartCheck, another_start, constant_guess, tolerance
from training.fitting.seeds import fix_seed

# Part of a run's identity. Raise it when the same configuration is trained in a different way.
VERSION = 2
Splits = Mapping[str, Sequence[Exam]]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained classifier.

    Attributes:
        classifier: None for a classifier that a bundle can't hold.
        logits: maps examples to `[N, K]`.
        notes: entries for the bundle's manifest.
        checkpoint: a file that is kept until the classifier is saved.
        notices: remarks about the training, for every prediction.
    """

    classifier: ExamClassifier | None
    logits: Callable[[Examples], FloatArray]
    notes: dict[str, object]
    checkpoint: Path | None = None
    notices: tuple[Notice, ...] = ()

    def forget(self) -> None:
        """Delete the checkpoint, and its folder if it is then empty. Call this when the bundle is written."""
        if self.checkpoint:
            self.checkpoint.unlink()
            with suppress(OSError):
                self.checkpoint.parent.rmdir()


@dataclass(frozen=True, eq=False)
class ClassifierPhase(Phase):
    """A phase of a classifier.

    Attributes:
        recipe: how the network inputs were made.
        train_from: the trunk's first layer that learns, see `trunks.train_from`.
    """

    recipe: Recipe
    train_from: str


def fit_network(config: Config, splits: Splits, place: Place) -> Fitted:
    """Learn from split "train", choose the epoch on "val". The result depends only on the arguments."""
    phases = phases_of(config, splits, place)
    path = place.run / f"{identity(config, splits, place, phases)}.npz"
    resumed = RunState.read(path) if path.is_file() else RunState([config.seed])
    if path.is_file():
        print(f"continuing in phase {phases[resumed.phase].name} after epoch {resumed.epoch}")
    while True:
        try:
            with spread_over(place.devices):
                classifier = _attempt(config, phases, place, path, resumed)
            break
        except BadStart as bad:
            resumed = another_start(resumed, bad, config.fit.restarts)
    seeds, starts = resumed.seeds, resumed.starts
    notes: dict[str, object] = {"seed": seeds[-1], "seeds_tried": list(dict.fromkeys(seeds))}
    notices: tuple[Notice, ...] = ()
    if resumed.settled:
        said = f"All {len(starts)} starts of its training were rejected after the first epoch; the best one was kept."
        notes["rejected_starts"], notices = [[seed, loss] for seed, loss in starts], (Notice("bad-start", said),)
    logits = partial(_logits, classifier, config.fit, place)
    return Fitted(classifier, logits, notes, checkpoint=path, notices=notices)


def untrained_network(config: Config, recipe: Recipe) -> FineTuned:
    """The preset's classifier with random weights. Its route must learn by gradient descent."""
    classifier = config.untrained(recipe)
    assert isinstance(classifier, FineTuned)
    return classifier


def phases_of(config: Config, splits: Splits, place: Place) -> list[ClassifierPhase]:
    """The phases in order. All exams are decoded and checked before the first step."""
    scheme, last = SCHEMES[config.scheme], config.fit

    def seen(recipe: Recipe, around: Around) -> tuple[Examples, Examples]:
        learn, held_out = (
            prepare(splits[name], scheme, recipe, place.inputs, place.workers, around) for name in ("train", "val")
        )
        if config.keeps_copies:
            learn = with_copies(learn, config.augmentation)
        if last.ligament_weight:
            learn, held_out = _with_ligaments(config, recipe, splits, learn, held_out)
        if last.class_weights:
            learn = dataclasses.replace(learn, weights=learn.weights * rarity(learn.targets.kinds))
        return learn, held_out

    phases: list[ClassifierPhase] = []
    if first := config.warm_up:
        crops = warm_up_recipe(config.recipe, first)
        lessons = seen(crops, "ligament")
        phases.append(
            ClassifierPhase("warm_up", first.epochs, first.learning_rate, *lessons, crops, last.trainable_from)
        )
    lessons = seen(config.recipe, place.around)
    if head := config.head_first:
        phases.append(ClassifierPhase("head_first", head.epochs, head.learning_rate, *lessons, config.recipe, "none"))
    phases.append(ClassifierPhase("fit", last.epochs, last.learning_rate, *lessons, config.recipe, last.trainable_from))
    return phases


def _with_ligaments(
    config: Config, recipe: Recipe, splits: Splits, learn: Examples, held_out: Examples
) -> tuple[Examples, Examples]:
    """The examples with their ligaments on the grid that the trunk has for slices of this recipe."""
    if not any(exam.box or exam.mask for exam in splits["train"]):
        raise ValueError("no training exam has a box or mask: ligament_weight needs to know where the ligament is")
    grid = grid_of(untrained_network(config, recipe))
    learn = with_ligaments(learn, splits["train"], recipe.size, grid)
    return learn, with_ligaments(held_out, splits["val"], recipe.size, grid)


def warm_up_recipe(recipe: Recipe, first: WarmUp) -> Recipe:
    """The warm-up's recipe: the same with another block size."""
    return dataclasses.replace(recipe, extent_mm=first.extent_mm, size=first.size)


def identity(config: Config, splits: Splits, place: Place, phases: Sequence[ClassifierPhase]) -> str:
    """A digest of everything that a run depends on, so that a run never continues with another run's weights."""
    digest = hashlib.sha256(repr((VERSION, config, place.mixed_precision, place.devices)).encode())
    digest.update(f"{keras.version()} {keras.backend.backend()} {sys.byteorder}".encode())
    digest.update(repr([(name, exam.exam_id) for name in ("train", "val") for exam in splits[name]]).encode())
    for phase in phases:
        for examples in (phase.learn, phase.held_out):
            digest.update(repr(examples.inputs).encode())
            digest.update(examples.allowed.tobytes() + examples.weights.tobytes())
            if isinstance(examples.targets, WithLigaments):
                digest.update(examples.targets.sha256.encode())
    return digest.hexdigest()[:16]


def _attempt(
    config: Config, phases: Sequence[ClassifierPhase], place: Place, path: Path, resumed: RunState
) -> FineTuned:
    """Run all phases with one seed. Raises BadStart if the start is rejected, unless all were and this is the best."""
    config = dataclasses.replace(config, seed=resumed.seeds[-1])
    if config.keeps_copies:  # the copies are changed already
        config = dataclasses.replace(config, augmentation=Augmentation())
    fix_seed(config.seed)
    classifier = untrained_network(config, config.recipe)
    check_layer(classifier.network.trunk, config.fit.trainable_from)  # a wrong name is found before the first epoch
    classifier.load_pretrained()
    for index in range(resumed.phase, len(phases)):
        phase = phases[index]
        learner = _classifier_of_phase(config, phase.recipe, classifier, place.mixed_precision)
        train_from(learner.network.trunk, phase.train_from)
        loss = f"{CLASSES}_loss" if config.fit.ligament_weight else "loss"
        callbacks = watchers(config.fit, one_sided(phase.held_out), loss)
        keeper = CheckpointCallback(path, resumed, index, callbacks)
        if place.board:
            callbacks.append(Board(place.board / phase.name, learner, phase.held_out))
        network = learner.network
        if config.fit.cache_frozen:
            frozen = FrozenFeatures(learner, config.fit.trainable_from, place)
            network = frozen.network()
            phase = dataclasses.replace(phase, learn=frozen.of(phase.learn), held_out=frozen.of(phase.held_out))
        objective = Objective(LOSSES[config.fit.loss], ("categorical_accuracy",))
        if weight := config.fit.ligament_weight:
            network, objective = GuidedNetwork(learner.network), guided_objective(LOSSES[config.fit.loss], weight)
        if index == 0 and config.fit.restarts and not resumed.settled:
            callbacks.insert(0, StartCheck(_limit(config.fit, phase.learn), phase.learn))
        fit(
            network,
            phase,
            objective,
            config.fit,
            config.seed,
            augmentation=config.augmentation,
            callbacks=[*callbacks, keeper],
            first_epoch=resumed.next_epoch(index, phase.epochs),
        )
        classifier.network.set_weights(learner.network.get_weights())
    return classifier


def _logits(classifier: FineTuned, fit: Fit, place: Place, examples: Examples) -> FloatArray:
    """`[N, K]` of exams with network inputs."""
    if fit.cache_frozen:
        return FrozenFeatures(classifier, fit.trainable_from, place).logits(examples)
    return np.stack([classifier.logits(classifier.features(slices)) for slices in examples.inputs])


def _classifier_of_phase(config: Config, recipe: Recipe, classifier: FineTuned, mixed: bool) -> FineTuned:
    """The classifier to train in a phase: itself, or a copy for slices of another size or for float16 arithmetic."""
    if recipe == config.recipe and not mixed:
        return classifier
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed else before)
    try:
        learner = untrained_network(config, recipe)
    finally:
        keras.config.set_dtype_policy(before)
    learner.network.set_weights(classifier.network.get_weights())
    return learner


def one_sided(held_out: Examples) -> bool:
    """Whether one class fits all labels. The held-out loss then falls for a network that always predicts this class."""
    return bool((held_out.allowed > 0).all(axis=0).any())


def _limit(fit: Fit, learn: Examples) -> float:
    """The loss of the first epoch above which a start is rejected."""
    if fit.restart_above is not None:
        return fit.restart_above
    weights = learn.weights * rarity(learn.targets.kinds) if fit.oversample else learn.weights
    guess = constant_guess(LOSSES[fit.loss], learn.allowed, weights)
    return guess + tolerance(*learn.allowed.shape)
