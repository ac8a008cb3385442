import numpy as np
import pytest
import tensorflow as tf

from tests.models.conftest import RECIPE, tiny_mrnet

SLICES = np.random.default_rng(3).random((6, *RECIPE.size), np.float32)


def test_the_trained_network_and_the_explained_route_agree(scheme):
    """Up to what all logits share, which no softmax sees."""
    route = tiny_mrnet(scheme)
    trained = np.array(route.network(SLICES[None], training=False)[0])
    assert route.logits(route.features(SLICES)) == pytest.approx(trained - trained.mean(), abs=1e-5)


def test_repeated_slices_change_nothing():
    """So that exams of unequal length can share a batch."""
    network = tiny_mrnet().network
    padded = np.concatenate([SLICES, SLICES[-1:], SLICES[-1:]])
    assert np.array(network(padded[None])) == pytest.approx(np.array(network(SLICES[None])), rel=1e-5)


def test_maps_equal_gradient_times_features(scheme):
    """An independent oracle: TensorFlow differentiates the head; where it is linear, gradient x input is the map."""
    route = tiny_mrnet(scheme)
    features = route.features(SLICES)
    kernel, bias = route.network.head.weights
    with tf.GradientTape(persistent=True) as tape:
        grid = tf.constant(features)
        tape.watch(grid)
        strongest = tf.reduce_max(tf.reduce_mean(grid, axis=(1, 2)), axis=0)
        scores = tf.linalg.matvec(kernel, strongest, transpose_a=True) + bias
        scores = tf.unstack(scores - tf.reduce_mean(scores))
    expected = np.stack([np.sum(tape.gradient(score, grid) * features, axis=-1) for score in scores])
    assert route.explain(SLICES, features).maps == pytest.approx(expected, abs=1e-6)


def test_evidence_that_every_class_shares_is_on_no_map(scheme):
    """Shifting a channel's weight by the same for all classes changes no probability, and so no map."""
    route = tiny_mrnet(scheme)
    features = route.features(SLICES)
    before = route.explain(SLICES, features)
    kernel = route.network.head.kernel
    kernel.assign(np.array(kernel) + np.linspace(0, 3, kernel.shape[0])[:, None])
    after = route.explain(SLICES, features)
    assert after.maps == pytest.approx(before.maps, abs=1e-5)
    assert after.logits == pytest.approx(before.logits, abs=1e-5)


def test_an_optimiser_is_not_saved(tmp_path):
    route = tiny_mrnet()
    route.save(tmp_path)
    untrained = (tmp_path / "model.weights.h5").read_bytes()
    route.network.compile("adam", "mse")
    route.network.optimizer.build(route.network.trainable_variables)
    route.save(tmp_path)
    assert (tmp_path / "model.weights.h5").read_bytes() == untrained
