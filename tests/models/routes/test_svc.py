from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.labels import BINARY, FOUR_CLASS
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.files.manifest import BundleError
from models.predictor import Predictor
from models.routes.svc import SVC, pool_slices
from models.trunks import Trunk
from tests.conftest import make_volume
from tests.models.conftest import PROVENANCE, RECIPE, some_slices, tiny_svc

pytestmark = pytest.mark.slow

COMPLETENESS = 1e-4
RECIPE_OF_VGG = replace(RECIPE, channels="caffe")
poolings = pytest.mark.parametrize("pooling", ["mean", "max"])
kernels = pytest.mark.parametrize("kernel", ["linear", "rbf"])


@poolings
@kernels
def test_shapes_types_and_repetition(kernel, pooling, scheme):
    route = tiny_svc(kernel, pooling, scheme)
    features = route.features(some_slices())
    explanation = route.explain(some_slices(), features)
    assert explanation.logits.shape == explanation.bias.shape == (len(scheme),)
    assert explanation.maps.shape == (len(scheme), *features.shape[:3])
    assert {array.dtype for array in (explanation.logits, explanation.bias, explanation.maps)} == {np.dtype("float32")}
    assert np.array_equal(explanation.logits, route.logits(route.features(some_slices())))
    assert not np.array_equal(explanation.logits, route.logits(route.features(some_slices(seed=1))))
    assert (explanation.method.exact, explanation.method.name) == (
        (True, "cam") if kernel == "linear" else (False, "grad-cam")
    )


ROUTES_BY_POOLING = {
    (pooling, scheme.name): tiny_svc("linear", pooling, scheme)
    for pooling in ("mean", "max")
    for scheme in (BINARY, FOUR_CLASS)
}


@pytest.mark.parametrize("which", ROUTES_BY_POOLING)
@settings(max_examples=30)
@given(count=st.integers(1, 12), seed=st.integers(0, 1000), brightness=st.floats(0, 1))
def test_maps_and_bias_add_up_to_the_logit(which, count, seed, brightness):
    route = ROUTES_BY_POOLING[which]
    slices = some_slices(count, seed) * np.float32(brightness)
    explanation = route.explain(slices, route.features(slices))
    total = explanation.maps.sum(axis=(1, 2, 3), dtype=np.float64) + explanation.bias
    assert np.abs(total - explanation.logits).max() <= COMPLETENESS * np.abs(explanation.logits).max()


@poolings
def test_an_exam_like_the_average_one_has_empty_maps(pooling, scheme):
    route = tiny_svc("linear", pooling, scheme)
    average = np.broadcast_to(route.machine.mean.astype(np.float32), (6, 3, 3, len(route.machine.mean)))
    explanation = route.explain(some_slices(), average)
    assert not explanation.maps.any()
    assert explanation.logits == pytest.approx(explanation.bias, abs=1e-4)


@poolings
def test_rbf_maps_are_gradient_times_features_where_that_is_positive(pooling, scheme):
    """TensorFlow differentiates the textbook's decision function by every cell."""
    route = tiny_svc("rbf", pooling, scheme)
    features, machine = route.features(some_slices()), route.machine
    grid = tf.constant(features, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(grid)
        slices = tf.reduce_mean(grid, axis=(1, 2))
        exam = tf.reduce_max(slices, axis=0) if pooling == "max" else tf.reduce_mean(slices, axis=0)
        apart = (exam - machine.mean) / machine.scale - machine.support
        decisions = tf.linalg.matvec(machine.dual, tf.exp(-machine.gamma * tf.reduce_sum(apart**2, axis=1)), True)
        worst = decisions[0] / 2 if scheme is BINARY else decisions[-1] - tf.reduce_mean(decisions)
    # Grad-CAM averages gradients over the cells of a slice; here all of them are equal.
    expected = np.maximum(np.sum(tape.gradient(worst, grid) * features, axis=-1), 0)
    assert route.explain(some_slices(), features).maps[-1] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_slices_are_pooled_by_mean_or_maximum():
    slices = np.array([[1, 5], [3, 1]], np.float32)
    assert pool_slices(slices, "mean").tolist() == [2, 3]
    assert pool_slices(slices, "max").tolist() == [3, 5]


@kernels
def test_a_bundle_holds_trunk_and_machine(kernel, scheme, tmp_path, monkeypatch):
    monkeypatch.delenv("CRUCIATE_WEIGHTS", raising=False)
    route = tiny_svc(kernel, "max", scheme)
    write_bundle(tmp_path / "tiny", route, "svc", RECIPE, Calibration(1.5), {"figures": []}, PROVENANCE, "")
    assert {"svc.npz", "trunk.weights.h5"} <= {path.name for path in (tmp_path / "tiny").iterdir()}
    keras.utils.set_random_seed(99)
    bundle = load_bundle(tmp_path / "tiny")
    features = bundle.classifier.features(some_slices())
    assert np.array_equal(features, route.features(some_slices()))
    assert np.array_equal(bundle.classifier.logits(features), route.logits(features))
    prediction = Predictor(bundle).predict(make_volume(np.random.default_rng(5).random((14, 130, 120))))
    assert prediction.maps.shape[0] == len(scheme)
    if prediction.method.exact:
        total = prediction.contributions().sum(axis=1) + prediction.bias
        assert total == pytest.approx(prediction.logits, rel=COMPLETENESS)


def test_a_bundle_whose_manifest_says_another_kernel_is_refused(tmp_path, monkeypatch):
    route = tiny_svc()
    monkeypatch.setattr(route, "architecture", lambda: SVC.architecture(route) | {"kernel": "rbf"})
    write_bundle(tmp_path / "tiny", route, "svc", RECIPE, Calibration(), {"figures": []}, PROVENANCE, "")
    with pytest.raises(BundleError, match="can't be rebuilt"):
        load_bundle(tmp_path / "tiny")


@pytest.mark.weights
def test_the_vgg16_trunk_is_stored_up_to_its_cut(weights_folder, tmp_path):
    route = SVC(Trunk("vgg16", "block1_pool", "imagenet"), "mean", "linear", BINARY, RECIPE_OF_VGG)
    route.load_pretrained()
    route.save(tmp_path)
    assert (tmp_path / "trunk.weights.h5").stat().st_size < 300_000  # 38 720 weights, of 14.7 million
    again = SVC.from_architecture(route.architecture(), BINARY, RECIPE_OF_VGG)
    again.load(tmp_path)
    assert np.array_equal(again.features(some_slices()), route.features(some_slices()))
