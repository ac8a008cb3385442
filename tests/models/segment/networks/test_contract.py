"""What every segmentation network owes: one test for all of them. A new network adds a line to `TINY`."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest

from data_prep.volume import FloatArray
from models.segment.networks import Architecture, Network
from models.segment.networks.registry import NETWORKS, build
from tests.models.conftest import ON_JAX
from training.fitting.mask_losses import MASK_LOSSES

pytestmark = pytest.mark.slow

TINY = {
    "unet": Architecture("unet", width=8, depth=2),
    "xnet": Architecture("xnet", width=4, depth=2),
    "se-regunet": Architecture("se-regunet", width=4, depth=1, variant="400mf"),
    "unet3d": Architecture("unet3d", width=4, depth=3),
}
# In multiples of what a network needs: the smallest, and one that isn't square.
SIZES = ((1, 1, 1), (2, 2, 3))
STEPS = 30
# Prediction uses the averages of batch normalisation; they must have followed such a short training on two images.
LEARNT = 0.5
# Two backends add up the same products in another order.
ROUNDING = 1e-4
networks = pytest.mark.parametrize("name", TINY)

# On JAX, with the weights of this process: logits of all networks, and their losses before and after training.
ON_JAX_TOO = """
import json, sys
from pathlib import Path
from models.segment.networks.registry import build
from tests.models.segment.networks import test_contract as contract

said = {}
for name, architecture in contract.TINY.items():
    network = build(architecture)
    network.load_weights(Path(sys.argv[1]) / f"{name}.weights.h5")
    images, masks = contract.squares(architecture)
    logits = network.predict_on_batch(images)
    losses = {loss: contract.MASK_LOSSES[loss](masks, logits).tolist() for loss in contract.MASK_LOSSES}
    trained = contract.train(network, images, masks, jit=True)
    said[name] = {"logits": logits.tolist(), "losses": losses, "trained": trained}
print(json.dumps(said))
"""


@cache
def made(name: str) -> keras.Model:
    """An untrained network, one for all tests that don't change it."""
    keras.utils.set_random_seed(1)
    return build(TINY[name])


def squares(architecture: Architecture, size: tuple[int, int, int] = (4, 16, 16)) -> tuple[FloatArray, FloatArray]:
    """Images `[2, ...]` of noise with a brighter square, and their masks; of one slice for a 2D network."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 0.5, (2, *size, architecture.channels)).astype(np.float32)
    masks = np.zeros((2, *size), np.float32)
    for image, mask, corner in zip(images, masks, (3, 7), strict=True):
        image[1:3, corner : corner + 6, 4:10] += 0.4
        mask[1:3, corner : corner + 6, 4:10] = 1
    return (images, masks) if architecture.volumetric else (images[:, 1], masks[:, 1])


def train(network: keras.Model, images: FloatArray, masks: FloatArray, jit: bool = False) -> float:
    """Train, and return the cross-entropy of what it then predicts, as a share of that before.

    jit: Compile the whole step at once, which takes JAX less time than one operation after the other.
    """
    before = entropy(network, images, masks)
    network.compile(keras.optimizers.Adam(0.01), MASK_LOSSES["cross-entropy"], jit_compile=jit)
    network.fit(images, masks, batch_size=2, epochs=STEPS, verbose=0)
    return entropy(network, images, masks) / before


def entropy(network: keras.Model, images: FloatArray, masks: FloatArray) -> float:
    """The mean cross-entropy of what a network predicts."""
    return float(np.mean(MASK_LOSSES["cross-entropy"](masks, network.predict_on_batch(images))))


def test_every_registered_network_is_tested():
    assert set(TINY) == set(NETWORKS) == set(get_args(Network))


@networks
@pytest.mark.parametrize("times", SIZES, ids=str)
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 4)])
def test_shapes_and_types(name, times, channels, classes):
    tiny = TINY[name]
    architecture = Architecture(name, channels, classes, width=tiny.width, depth=tiny.depth, variant=tiny.variant)
    size = tuple(step * count for step, count in zip(architecture.multiple, times, strict=True))
    size = size if architecture.volumetric else size[1:]
    architecture.check_size(size)
    network = build(architecture)
    assert network.compute_output_shape((2, *size, channels)) == (2, *size, classes)
    logits = network.predict_on_batch(np.zeros((2, *size, channels), np.float32))
    assert logits.shape == (2, *size, classes)
    assert logits.dtype == np.float32


@networks
def test_a_size_that_cannot_be_halved_is_refused(name):
    architecture = TINY[name]
    size = tuple(3 * step for step in architecture.multiple[not architecture.volumetric :])
    for axis, step in enumerate(architecture.multiple[not architecture.volumetric :]):
        if step > 1:
            odd = (*size[:axis], size[axis] + step // 2, *size[axis + 1 :])
            with pytest.raises(ValueError, match="needs sizes that are multiples of"):
                architecture.check_size(odd)


@networks
def test_logits_have_no_softmax(name):
    logits = made(name).predict_on_batch(squares(TINY[name])[0])
    assert (logits < 0).any()
    assert not np.allclose(logits.sum(axis=-1), 1)


@networks
def test_logits_stay_float32_with_mixed_precision(name):
    """By what the layers say: TensorFlow can't pool float16 volumes on a CPU."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = build(TINY[name])
    finally:
        keras.config.set_dtype_policy(before)
    assert network.layers[1].compute_dtype == "float16"
    assert network.output.dtype == "float32"


@networks
def test_it_learns_and_its_weights_survive_a_round_trip(name, tmp_path):
    network, (images, masks) = made.__wrapped__(name), squares(TINY[name])
    assert train(network, images, masks) < LEARNT
    expected = network.predict_on_batch(images)
    network.save_weights(tmp_path / "model.weights.h5")
    again = build(TINY[name])
    assert not np.allclose(again.predict_on_batch(images), expected)
    again.load_weights(tmp_path / "model.weights.h5")
    assert np.array_equal(again.predict_on_batch(images), expected)


@networks
def test_the_same_seed_makes_the_same_network(name):
    first, second = made.__wrapped__(name), made.__wrapped__(name)
    assert all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory) -> dict[str, dict]:
    """What one process on JAX says of all networks, with weights from here."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX isn't installed")
    folder = tmp_path_factory.mktemp("weights")
    for name in TINY:
        made(name).save_weights(folder / f"{name}.weights.h5")
    command = [sys.executable, "-c", ON_JAX_TOO, str(folder)]
    root = Path(__file__).parents[4]
    result = subprocess.run(command, cwd=root, env=os.environ | ON_JAX, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@networks
def test_jax_predicts_the_same(on_jax, name):
    expected = made(name).predict_on_batch(squares(TINY[name])[0])
    assert np.array(on_jax[name]["logits"]) == pytest.approx(expected, abs=ROUNDING * float(np.abs(expected).max()))


@networks
def test_jax_computes_the_same_losses(on_jax, name):
    masks = squares(TINY[name])[1]
    logits = np.array(on_jax[name]["logits"], np.float32)
    for loss, values in on_jax[name]["losses"].items():
        assert values == pytest.approx(np.array(MASK_LOSSES[loss](masks, logits)), rel=ROUNDING)


@networks
def test_jax_learns(on_jax, name):
    assert on_jax[name]["trained"] < LEARNT
