"""What a trunk's frozen part made, kept: it changes nothing but the time, and is never taken for another's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from models.trunks import build_trunk
from tests.training.tiny import TINY_TRUNK
from training.config.config import Config, load_config
from training.config.place import Place
from training.data.examples import Examples
from training.data.frozen import FrozenFeatures
from training.data.targets import ClassSets
from training.fitting.network import fit_network, phases_of, untrained_network

pytestmark = pytest.mark.slow

PLAIN = ["augmentation={}", "fit.epochs=2", "fit.batch_exams=3", "fit.learning_rate=1e-3", 'fit.trainable_from="conv4"']


def config(*changes: str) -> Config:
    return load_config("mrnet", [*TINY_TRUNK, *PLAIN, *changes])[0]


@pytest.fixture
def splits(knees):
    exams = read_exams(knees / "exams.csv")
    return {name: [exam for exam in exams if exam.split == name] for name in ("train", "val")}


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(inputs=tmp_path / "inputs", run=tmp_path / "run", workers=Workers(1))


def kept(place: Place) -> list[Path]:
    return sorted((place.inputs / "frozen").glob("*.npy"))


@pytest.mark.parametrize("changes", [(), ("head_first.epochs=1", "head_first.learning_rate=0.01")])
def test_kept_features_change_nothing_but_the_time(place, splits, changes):
    plain = config(*changes)
    cached = replace(plain, fit=replace(plain.fit, cache_frozen=True))
    one, other = (fit_network(settings, splits, place) for settings in (plain, cached))
    pairs = zip(one.classifier.network.get_weights(), other.classifier.network.get_weights(), strict=True)
    assert all(np.allclose(first, second, atol=1e-5) for first, second in pairs)
    examples = phases_of(cached, splits, place)[-1].held_out
    assert np.allclose(one.logits(examples), other.logits(examples), atol=1e-4)
    assert len(kept(place)) == sum(map(len, splits.values()))


@pytest.mark.parametrize("trainable_from", ["conv4", "none"])
@pytest.mark.parametrize("other", ['trunk.cut="pool5"', "recipe.size=[80, 80]"])
def test_a_trunk_cut_elsewhere_or_fed_otherwise_never_meets_these_features(place, splits, trainable_from, other):
    for settings in (config(), config(other)):
        classifier = untrained_network(settings, settings.recipe)
        examples = phases_of(settings, splits, place)[-1].held_out
        # The same weights, as of ImageNet, whatever the cut.
        whole = build_trunk(replace(settings.trunk, cut="pool5"), settings.recipe.size, "gray")
        whole.set_weights([np.full_like(weight, 0.01) for weight in whole.get_weights()])
        for layer in classifier.network.trunk.layers:
            layer.set_weights(whole.get_layer(layer.name).get_weights())
        found = FrozenFeatures(classifier, trainable_from, place).logits(examples)
        expected = [classifier.logits(classifier.features(slices)) for slices in examples.inputs]
        assert np.allclose(found, expected, atol=1e-4)


def test_frozen_features_need_cached_inputs(place, splits):
    settings = config()
    in_memory = Examples(
        [np.zeros((3, 64, 64), np.float32)], ClassSets(np.eye(2, dtype=np.float32)[:1]), np.ones(1, np.float32)
    )
    with pytest.raises(TypeError, match="make the examples with `prepare`"):
        FrozenFeatures(untrained_network(settings, settings.recipe), "conv4", place).of(in_memory)
