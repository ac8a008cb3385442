import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from data_prep.labels import FOUR_CLASS
from data_prep.network_input.recipe import Recipe
from models.routes.finetuned import FineTuned
from models.routes.network import Head
from models.trunks import Trunk
from tests.models.conftest import ON_JAX, RECIPE, TINY_TRUNK, tiny_finetuned

pytestmark = pytest.mark.slow

SLICES = np.random.default_rng(3).random((6, *RECIPE.size), np.float32)
HEADS = [Head("max"), Head("mean"), Head("attention"), Head("attention", (8,), "tanh")]
heads = pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.pooling}-{len(head.hidden)}")

ANSWER = """
import json, pathlib, sys, keras, numpy as np
from data_prep.labels import FOUR_CLASS
from data_prep.network_input.recipe import Recipe
from models.routes.registry import ROUTES
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
recipe = Recipe((40.0, 60.0, 60.0), (63, 63))
for name, architecture in json.loads(sys.argv[1]).items():
    route = ROUTES["finetuned"].from_architecture(architecture, FOUR_CLASS, recipe)
    route.load(pathlib.Path(name))
    slices = np.random.default_rng(3).random((6, 63, 63), np.float32)
    explanation = route.explain(slices, route.features(slices))
    np.savez(pathlib.Path(name) / "jax.npz", logits=explanation.logits, maps=explanation.maps)
    route.train_from("conv4")
    route.network.compile(keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = route.network.fit(slices.reshape(3, 2, 63, 63), np.arange(3), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
"""


@heads
def test_the_trained_network_and_the_explained_route_agree(head, scheme):
    """Up to what all logits share, which no softmax sees; also in an exam that ends in repeats of a slice."""
    route = tiny_finetuned(head, scheme)
    for exam in (SLICES, np.concatenate([SLICES, SLICES[-1:], SLICES[-1:]])):
        trained = np.array(route.network(exam[None])[0])
        assert route.logits(route.features(exam)) == pytest.approx(trained - trained.mean(), abs=1e-5)


@heads
def test_slices_that_repeat_the_last_are_on_no_map(head):
    route = tiny_finetuned(head)
    alone = route.explain(SLICES, route.features(SLICES))
    padded = route.explain(np.concatenate([SLICES, SLICES[-1:]]), route.features(np.concatenate([SLICES, SLICES[-1:]])))
    assert padded.maps[:, :6] == pytest.approx(alone.maps, abs=1e-6)
    assert not padded.maps[:, 6].any()


def test_features_of_a_half_precision_trunk_are_explained_in_full():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        route = tiny_finetuned(Head("mean"), FOUR_CLASS)
    finally:
        keras.config.set_dtype_policy("float32")
    explanation = route.explain(SLICES, route.features(SLICES))
    total = explanation.maps.sum(axis=(1, 2, 3), dtype=np.float64) + explanation.bias
    assert total == pytest.approx(explanation.logits.astype(np.float64), rel=1e-4)
    assert explanation.logits == pytest.approx(full(tiny_finetuned(Head("mean"), FOUR_CLASS)), abs=0.02)


def full(route: FineTuned) -> np.ndarray:
    return route.logits(route.features(SLICES))


def test_a_head_is_read_from_a_preset_and_checked():
    read = TypeAdapter(Head).validate_python({"pooling": "attention", "hidden": [256, 64], "activation": "elu"})
    assert read == Head("attention", (256, 64), "elu", 0.0)
    with pytest.raises(ValidationError, match="pooling"):
        TypeAdapter(Head).validate_python({"pooling": "median"})


def test_an_unknown_layer_to_train_from_is_explained():
    with pytest.raises(ValueError, match="alexnet has no layer 'block5'"):
        tiny_finetuned(Head()).train_from("block5")


@pytest.fixture(scope="module")
def answers_of_jax(tmp_path_factory) -> dict[Head, Path]:
    """What JAX answered with the same weights, for each head; one process, which takes seconds to start."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX isn't installed")
    folders = {head: tmp_path_factory.mktemp("head") for head in HEADS}
    architectures = {}
    for head, folder in folders.items():
        tiny_finetuned(head, FOUR_CLASS).save(folder)
        architectures[str(folder)] = {"trunk": asdict(TINY_TRUNK), "head": asdict(head)}
    command = [sys.executable, "-c", ANSWER, json.dumps(architectures)]
    subprocess.run(command, cwd=Path(__file__).parents[3], env=os.environ | ON_JAX, check=True)
    return {head: folder / "jax.npz" for head, folder in folders.items()}


@heads
def test_on_jax_the_same_weights_say_the_same_and_learn(head, answers_of_jax):
    route = tiny_finetuned(head, FOUR_CLASS)
    here = route.explain(SLICES, route.features(SLICES))
    with np.load(answers_of_jax[head]) as there:
        assert there["logits"] == pytest.approx(here.logits, abs=1e-5)
        assert there["maps"] == pytest.approx(here.maps, abs=1e-5)


@pytest.mark.weights
@pytest.mark.parametrize(("hidden", "guesses"), [((), True), ((8,), False)])
def test_on_pretrained_features_a_linear_head_starts_as_a_constant_guess(weights_folder, monkeypatch, hidden, guesses):
    """At random, the features' size would make its first loss many times as large."""
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(weights_folder))
    recipe = Recipe((30.0, 48.0, 48.0), (63, 63), channels="torch")
    route = FineTuned(Trunk("alexnet", "conv2", "imagenet"), Head(hidden=hidden), FOUR_CLASS, recipe)
    route.load_pretrained()
    slices = np.random.default_rng(1).random((2, 63, 63), np.float32)
    assert np.array_equal(route.logits(route.features(slices)), np.zeros(4)) == guesses
