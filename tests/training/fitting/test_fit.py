"""Phases, checkpoints and restarts, on networks so small that an epoch takes no time."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from data_prep.augment import Augmentation
from data_prep.network_input.recipe import Recipe
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from training.config.config import Config, Fit, load_config
from training.config.place import Place
from training.data.examples import Examples
from training.data.targets import ClassSets, Masks
from training.fitting.checkpoint import CheckpointCallback, RunState
from training.fitting.fit import Objective, Phase, fit, optimiser, watchers
from training.fitting.losses import LOSSES
from training.fitting.network import fit_network, identity, phases_of, untrained_network
from training.fitting.seeds import fix_seed

pytestmark = pytest.mark.slow

SMALL = ["recipe.size=[64, 64]", "warm_up.size=[64, 64]", "trunk.width=0.0625", "warm_up.epochs=1", "fit.epochs=2"]
RECIPE = Recipe((30.0, 48.0, 48.0), (8, 8))


def config(*changes: str) -> Config:
    """The demo preset, made small."""
    return load_config("demo", [*SMALL, *changes])[0]


def noise(exams: int, seed: int) -> Examples:
    """Exams with nothing to learn, so that the held-out loss soon stops falling."""
    random = np.random.default_rng(seed)
    slices = [random.random((3, 8, 8), np.float32) for _ in range(exams)]
    return Examples(
        slices, ClassSets(np.eye(2, dtype=np.float32)[random.integers(2, size=exams)]), np.ones(exams, np.float32)
    )


def phase(epochs: int) -> Phase:
    return Phase("fit", epochs, 0.05, noise(12, seed=1), noise(6, seed=2))


def network() -> keras.Model:
    """Dropout and a dense layer, seeded; the same at every call."""
    fix_seed(5)
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.3), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((3, 8, 8)), *layers])


# What `network` is trained for.
CLASSES = Objective(LOSSES["set"], ("categorical_accuracy",))


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends training in the middle of an epoch."""

    def __init__(self, epoch: int | None) -> None:
        super().__init__()
        self.epoch, self.seen = epoch, {}

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise Killed

    def on_epoch_end(self, epoch, logs=None):
        self.seen[epoch] = dict(logs)


def run(settings: Config, path: Path, kill: Kill) -> keras.Model:
    """Train from scratch or from what `path` holds, until the end or the kill."""
    resumed = RunState.read(path) if path.is_file() else RunState([5])
    trained, callbacks = network(), watchers(settings.fit)
    keeper = CheckpointCallback(path, resumed, 0, callbacks)
    fit(
        trained,
        phase(12),
        CLASSES,
        settings.fit,
        settings.seed,
        augmentation=settings.augmentation,
        callbacks=[*callbacks, kill, keeper],
        first_epoch=resumed.next_epoch(0, 12),
    )
    return trained


@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop"])
def test_killed_twice_it_ends_with_the_weights_of_an_undisturbed_run(tmp_path, name):
    momentum = ["fit.momentum=0.9"] if name != "adamw" else []
    settings = config(f'fit.optimiser="{name}"', "fit.patience=4", "fit.plateau_patience=1", *momentum)
    undisturbed = Kill(None)
    expected = run(settings, tmp_path / "a.npz", undisturbed).get_weights()
    epochs = sorted(undisturbed.seen)
    assert 5 <= len(epochs) < 12  # it stops early
    assert undisturbed.seen[epochs[-1]]["learning_rate"] < undisturbed.seen[0]["learning_rate"]

    for epoch in (2, epochs[-1]):
        with pytest.raises(Killed):
            run(settings, tmp_path / "b.npz", Kill(epoch))
    last = Kill(None)
    weights = run(settings, tmp_path / "b.npz", last).get_weights()
    assert last.seen == {epochs[-1]: undisturbed.seen[epochs[-1]]}
    assert all(np.array_equal(one, other) for one, other in zip(weights, expected, strict=True))

    # Killed between the last epoch and the bundle: no epoch is left, the best weights are put back.
    over = Kill(None)
    weights = run(settings, tmp_path / "b.npz", over).get_weights()
    assert over.seen == {}
    assert all(np.array_equal(one, other) for one, other in zip(weights, expected, strict=True))


def place(folder: Path, **rest: object) -> Place:
    return Place(inputs=folder / "inputs", run=folder / "run", workers=Workers(1), **rest)


@pytest.fixture
def splits(knees):
    exams = read_exams(knees / "exams.csv")
    return {name: [exam for exam in exams if exam.split == name] for name in ("train", "val")}


def test_a_bad_start_is_tried_again_with_the_next_seed_and_no_oftener_than_asked(tmp_path, splits, capsys):
    settings = config("seed=7", "fit.restarts=2", "fit.restart_above=0.0", "fit.epochs=1")
    fitted = fit_network(settings, splits, place(tmp_path))
    starts: Any = fitted.notes["rejected_starts"]
    assert [seed for seed, _ in starts] == fitted.notes["seeds_tried"] == [7, 8, 9]
    best = min(starts, key=lambda start: start[1])[0]
    assert fitted.notes["seed"] == best
    assert [notice.code for notice in fitted.notices] == ["bad-start"]
    log = capsys.readouterr().out
    assert "seed 7: loss " in log
    assert "more than 0.0000; starting again with seed 8" in log
    assert "starting again with seed 9" in log
    assert f"all 3 starts were rejected, continuing with the best one, seed {best}" in log
    assert RunState.read(fitted.checkpoint).seeds == [7, 8, 9, best]

    third = fit_network(config(f"seed={best}", "fit.epochs=1"), splits, place(tmp_path))
    assert third.notes == {"seed": best, "seeds_tried": [best]}
    assert third.notices == ()
    pairs = zip(fitted.classifier.network.get_weights(), third.classifier.network.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)

    third.forget()
    fitted.forget()
    assert not (tmp_path / "run").exists()


def test_mixed_precision_trains_and_leaves_a_float32_classifier(tmp_path, splits):
    fitted = fit_network(config("fit.epochs=1"), splits, place(tmp_path, mixed_precision=True))
    assert keras.config.dtype_policy().name == "float32"
    network = fitted.classifier.network
    assert {layer.compute_dtype for layer in network.trunk.layers} == {"float32"}
    logits = fitted.classifier.logits(fitted.classifier.features(np.zeros((3, 64, 64), np.float32)))
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert RunState.read(fitted.checkpoint).epoch == 1


@pytest.mark.parametrize(("epochs", "moved"), [(0, 0), (1, 2)])
def test_the_head_learns_first_and_then_the_trunk_from_the_chosen_layer(tmp_path, splits, epochs, moved):
    changes = ["head_first.epochs=1", "head_first.learning_rate=0.01", 'fit.trainable_from="conv5"']
    settings = dataclasses.replace(config(*changes), warm_up=None)
    settings = dataclasses.replace(settings, fit=dataclasses.replace(settings.fit, epochs=epochs))
    fix_seed(settings.seed)
    before = untrained_network(settings, settings.recipe).network
    after = fit_network(settings, splits, place(tmp_path)).classifier.network
    same = [
        np.array_equal(one, other)
        for one, other in zip(before.trunk.get_weights(), after.trunk.get_weights(), strict=True)
    ]
    assert same == [True] * (10 - moved) + [False] * moved  # kernel and bias of the fifth convolution
    assert not np.array_equal(before.head.get_weights()[0], after.head.get_weights()[0])


def test_a_layer_that_there_is_not_is_told_before_the_heads_first_epochs(tmp_path, monkeypatch):
    settings = config("head_first.epochs=1", "head_first.learning_rate=0.01", 'fit.trainable_from="conv9"')
    monkeypatch.setattr("training.fitting.network.phases_of", lambda *_: [phase(1)])
    monkeypatch.setattr("training.fitting.network.fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ValueError, match="alexnet has no layer 'conv9'; train from"):
        fit_network(settings, {"train": [], "val": []}, place(tmp_path))


@pytest.mark.parametrize(
    ("change", "kind", "momentum"),
    [
        ("adamw", keras.optimizers.AdamW, None),
        ("adam", keras.optimizers.Adam, None),
        ("sgd", keras.optimizers.SGD, 0.9),
    ],
)
def test_an_optimiser_is_what_the_preset_names(change, kind, momentum):
    made = optimiser(Fit(1, 1, optimiser=change, momentum=momentum or 0.0, weight_decay=0.02), 0.125)
    assert type(made) is kind
    assert float(made.learning_rate) == 0.125
    assert made.weight_decay == 0.02
    assert getattr(made, "momentum", None) == momentum


def test_another_configuration_or_weight_is_another_run(tmp_path, splits):
    def of(settings: Config, exams: dict, where: Place = place(tmp_path)) -> str:  # noqa: B008
        return identity(settings, exams, where, phases_of(settings, exams, where))

    heavier = splits | {"train": [dataclasses.replace(splits["train"][0], weight=2.0), *splits["train"][1:]]}
    runs = {of(config(), splits), of(config("fit.dropout=0.1"), splits), of(config(), heavier)}
    runs.add(of(config(), splits, place(tmp_path, mixed_precision=True)))
    assert len(runs) == 4
    assert of(config(), splits) in runs


def test_class_weights_change_what_exams_count_in_training_only(tmp_path, splits):
    (*_, plain), (*_, weighted) = (
        phases_of(config(*changes), splits, place(tmp_path)) for changes in ([], ["fit.class_weights=true"])
    )
    unhealthy = weighted.learn.allowed[:, 1]
    assert (weighted.learn.weights * unhealthy).sum() == pytest.approx((weighted.learn.weights * (1 - unhealthy)).sum())
    assert np.array_equal(weighted.held_out.weights, plain.held_out.weights)


def disks(exams: int, seed: int) -> Examples:
    """Slices with a bright disk somewhere, and where it is: exams of unequal length, some without any disk."""
    random, slices, masks = np.random.default_rng(seed), [], []
    for exam in range(exams):
        grid = np.mgrid[: 3 + exam % 3, :16, :16]
        middle = random.uniform(5, 11, 2)
        mask = np.hypot(grid[1] - middle[0], grid[2] - middle[1]) < (4 if exam % 5 else 0)
        masks.append(mask)
        slices.append((0.2 * random.random(mask.shape) + 0.6 * mask).astype(np.float32))
    return Examples(slices, Masks(masks), np.ones(exams, np.float32))


def segmenter() -> keras.Model:
    """Inputs `[B, S, H, W]` -> logits of the same shape, by a small convolution over each slice."""
    fix_seed(3)
    exams = keras.Input((None, 16, 16))
    pixels = keras.layers.Lambda(lambda x: keras.ops.expand_dims(x, -1))(exams)
    conv = keras.layers.TimeDistributed(keras.layers.Conv2D(4, 3, padding="same", activation="relu"))(pixels)
    logits = keras.layers.TimeDistributed(keras.layers.Conv2D(1, 1))(conv)
    return keras.Model(exams, keras.layers.Lambda(lambda x: keras.ops.squeeze(x, -1))(logits))


def cross_entropy(mask: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Of each exam, `[B]`."""
    return keras.ops.mean(keras.ops.softplus(logits) - mask * logits, axis=(1, 2, 3))


def test_masks_are_learnt_by_the_same_trainer(tmp_path):
    """A segmenter, its loss and its targets need no trainer of their own, nor a checkpoint or an augmentation."""
    settings, lessons, held_out = config("fit.oversample=true"), disks(20, seed=1), disks(5, seed=2)
    settings = dataclasses.replace(settings.fit, batch_exams=4, patience=30)
    network, callbacks = segmenter(), watchers(settings)
    keeper = CheckpointCallback(tmp_path / "a.npz", RunState([3]), 0, callbacks)
    turned = Augmentation(rotation_degrees=20.0, shift=0.1)
    fit(
        network,
        Phase("fit", 30, 0.02, lessons, held_out),
        Objective(cross_entropy),
        settings,
        seed=3,
        augmentation=turned,
        callbacks=[*callbacks, keeper],
    )
    assert isinstance(held_out.targets, Masks)
    for slices, mask in zip(held_out.inputs, held_out.targets.masks, strict=True):
        found = keras.ops.convert_to_numpy(network(slices[None]))[0] > 0
        union = (found | mask).sum()
        assert (found & mask).sum() >= 0.8 * union or union < 3
    assert RunState.read(tmp_path / "a.npz").epoch == 30
