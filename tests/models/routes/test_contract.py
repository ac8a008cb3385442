"""What every route owes: one test for all of them. A new route adds a line to `UNTRAINED`."""

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.labels import BINARY, SCHEMES
from models.bundle import CLASSIFIERS
from models.routes.classifier import ExamClassifier
from models.routes.network import Head
from tests.conftest import COMPLETENESS
from tests.models.conftest import RECIPE, some_slices, tiny_ensemble, tiny_finetuned, tiny_mrnet, tiny_svc

pytestmark = pytest.mark.slow

# Keyed by the route's registered name, and a word for each variant of it.
UNTRAINED = {
    "mrnet": tiny_mrnet,
    "finetuned max": partial(tiny_finetuned, Head("max")),
    "finetuned mean": partial(tiny_finetuned, Head("mean")),
    "finetuned attention": partial(tiny_finetuned, Head("attention")),
    "finetuned layers": partial(tiny_finetuned, Head("attention", hidden=(16, 8), dropout=0.5)),
    "svc linear": partial(tiny_svc, "linear", "mean"),
    "svc linear max": partial(tiny_svc, "linear", "max"),
    "svc rbf": partial(tiny_svc, "rbf", "mean"),
    "ensemble": tiny_ensemble,
}
routes = pytest.mark.parametrize("route", UNTRAINED)


@cache
def untrained(route: str, scheme: str = BINARY.name) -> ExamClassifier:
    """One for all tests, which don't change it: making it takes longer than asking it."""
    return UNTRAINED[route](SCHEMES[scheme])


def test_every_registered_route_is_tested():
    assert {name.split()[0] for name in UNTRAINED} == set(CLASSIFIERS)


@routes
def test_shapes_and_types(route, scheme):
    classifier = untrained(route, scheme.name)
    features = classifier.features(some_slices())
    assert features.dtype == np.float32
    assert features.ndim == 4
    explanation = classifier.explain(some_slices(), features)
    height, width = features.shape[1:3]
    assert explanation.logits.shape == explanation.bias.shape == (len(scheme),)
    assert explanation.maps.shape == (len(scheme), 5, height, width)
    assert {array.dtype for array in (explanation.logits, explanation.bias, explanation.maps)} == {np.dtype("float32")}


@routes
def test_explaining_and_scoring_agree_and_repeat(route, scheme):
    classifier = untrained(route, scheme.name)
    first, second = (classifier.features(some_slices()) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(classifier.logits(first), classifier.explain(some_slices(), second).logits)
    assert not np.array_equal(classifier.logits(first), classifier.logits(classifier.features(some_slices(seed=1))))


@routes
@settings(max_examples=30)
@given(count=st.integers(1, 12), seed=st.integers(0, 1000), brightness=st.floats(0, 1))
def test_maps_and_bias_add_up_to_the_logit(route, count, seed, brightness):
    classifier = untrained(route)
    slices = some_slices(count, seed) * np.float32(brightness)
    explanation = classifier.explain(slices, classifier.features(slices))
    if explanation.method.exact:
        total = explanation.maps.sum(axis=(1, 2, 3), dtype=np.float64) + explanation.bias
        assert np.abs(total - explanation.logits).max() <= COMPLETENESS * np.abs(explanation.logits).max()


@routes
def test_weights_survive_a_round_trip(route, scheme, tmp_path):
    classifier = untrained(route, scheme.name)
    classifier.save(tmp_path)
    again = CLASSIFIERS[route.split()[0]].from_architecture(classifier.architecture(), scheme, RECIPE)
    different = again.logits(again.features(some_slices()))
    again.load(tmp_path)
    expected = classifier.logits(classifier.features(some_slices()))
    assert not np.array_equal(different, expected)
    assert np.array_equal(again.logits(again.features(some_slices())), expected)
