import keras
import numpy as np
import pytest

from models.routes.network import ExamNetwork, Head
from models.trunks import build_trunk
from tests.models.conftest import RECIPE, TINY_TRUNK

pytestmark = pytest.mark.slow

SLICES = np.random.default_rng(3).random((6, *RECIPE.size), np.float32)
HEADS = [Head("max"), Head("mean"), Head("attention"), Head("mean", hidden=(8, 4), dropout=0.5)]
heads = pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.pooling}-{len(head.hidden)}")


def network(head: Head, classes: int = 3) -> ExamNetwork:
    keras.utils.set_random_seed(1)
    return ExamNetwork(build_trunk(TINY_TRUNK, RECIPE.size, RECIPE.channels), head, classes)


def fit(model: ExamNetwork, exams: np.ndarray, classes: np.ndarray, epochs: int) -> list[float]:
    """The loss after each epoch."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss, jit_compile=False)
    return model.fit(exams, classes, epochs=epochs, verbose=0).history["loss"]


@heads
def test_a_padded_exam_has_the_logits_that_it_has_alone(head):
    """In a batch with a longer one, as training makes them."""
    short = np.concatenate([SLICES[:4], SLICES[3:4], SLICES[3:4]])
    together = np.array(network(head)(np.stack([short, SLICES])))
    alone = [np.array(network(head)(exam[None]))[0] for exam in (SLICES[:4], SLICES)]
    assert together == pytest.approx(np.stack(alone), abs=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 1e-4


@pytest.mark.parametrize("head", [Head("max"), Head("attention", hidden=(8,))])
def test_fitting_lowers_the_loss(head):
    """Three exams, three classes: by heart, if gradients reach everything that they should."""
    exams, classes = SLICES.reshape(3, 2, *RECIPE.size), np.arange(3)
    model = network(head)
    before = [np.array(weight) for weight in model.trainable_variables]
    losses = fit(model, exams, classes, epochs=30)
    assert losses[-1] < 0.6 * losses[0]
    assert all((np.array(weight) != old).any() for weight, old in zip(model.trainable_variables, before, strict=True))


@pytest.mark.parametrize(("layer", "trained"), [("conv4", {"conv4", "conv5"}), ("none", set())])
def test_what_is_frozen_stays_as_it_is(layer, trained):
    model = network(Head("attention", hidden=(8,)))
    convolutions = {each.name: each for each in model.trunk.layers if each.name.startswith("conv")}
    before = {name: np.array(each.kernel) for name, each in convolutions.items()}
    attention, scores = np.array(model.pooling.score.kernel), np.array(model.head.kernel)
    model.train_from(layer)
    fit(model, SLICES[None], np.array([1]), epochs=2)
    assert {name for name, each in convolutions.items() if not np.array_equal(each.kernel, before[name])} == trained
    assert not np.array_equal(model.pooling.score.kernel, attention)
    assert not np.array_equal(model.head.kernel, scores)


def test_dropout_is_for_training_only():
    model = network(Head("mean", hidden=(8,), dropout=0.5))
    assert np.array_equal(model(SLICES[None]), model(SLICES[None], training=False))
    assert not np.array_equal(model(SLICES[None], training=True), model(SLICES[None], training=True))


@heads
def test_in_mixed_precision_only_the_trunk_is_half(head):
    """A sum over slices or a softmax in float16 would lose what tells exams apart."""
    expected = np.array(network(head)(SLICES[None]))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = network(head)
    finally:
        keras.config.set_dtype_policy("float32")
    logits = half(SLICES[None])
    assert half.trunk.compute_dtype == "float16"
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.array(logits) == pytest.approx(expected, abs=0.02)
