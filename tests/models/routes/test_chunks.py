"""A forward pass in chunks: the same features, whatever the number of slices, and bounded memory."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from models.routes import chunks
from models.routes.network import Head
from models.trunks import Trunk, build_trunk
from tests.models.conftest import some_slices, tiny_ensemble, tiny_finetuned, tiny_mrnet, tiny_svc

pytestmark = pytest.mark.slow

# Bits that differ between batches of other sizes.
ROUNDING = 1e-5
ROUTES = {
    "mrnet": tiny_mrnet,
    "hidden layers": lambda: tiny_finetuned(Head("attention", (8,))),
    "svc": tiny_svc,
    "ensemble": tiny_ensemble,
}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("count", [1, 4, 11])
def test_chunks_change_no_logit(monkeypatch, name, count):
    route, slices = ROUTES[name](), some_slices(11)
    whole = route.features(slices)
    assert (route.features(slices) == whole).all()
    monkeypatch.setattr(chunks, "slices_at_once", lambda trunk: count)
    apart = route.features(slices)
    if count >= len(slices):
        assert (apart == whole).all()
    assert route.logits(apart) == pytest.approx(route.logits(whole), abs=ROUNDING)
    one, other = (route.explain(slices, features).maps for features in (whole, apart))
    assert np.abs(one - other).max() < ROUNDING


@pytest.fixture
def limited() -> Iterator[None]:
    """Other tests of this process see the default limit again."""
    yield
    chunks.limit_memory(chunks.DEFAULT_MB)


class Counting(keras.layers.Layer):
    """Knows how many slices it gets at one time."""

    def call(self, slices):
        if slices.shape[0] is not None:
            COUNTS.append(slices.shape[0])
        return slices[..., None]


COUNTS: list[int] = []


@pytest.mark.parametrize(
    ("megabytes", "count", "expected"), [(1, 60, [12] * 5), (1, 13, [12, 1]), (5, 60, [60]), (5, 61, [61])]
)
def test_a_trunk_gets_only_what_fits_into_the_memory(limited, megabytes, count, expected):
    pixels = keras.Input((100, 100))
    trunk = keras.Model(pixels, Counting()(pixels))  # two layers: 80,000 bytes for a slice
    chunks.limit_memory(megabytes)
    COUNTS.clear()
    assert chunks.forward(trunk, np.zeros((count, 100, 100), np.float32)).shape == (count, 100, 100, 1)
    assert expected == COUNTS


@pytest.mark.parametrize(
    ("name", "cut", "side", "expected"),
    [
        ("vgg16", "block5_conv3", 224, 8),
        ("vgg16", "block5_conv3", 512, 1),
        ("vgg19", "block5_conv4", 224, 7),
        ("resnet50", "conv5_block3_out", 224, 3),
        ("alexnet", "conv5", 256, 98),
    ],
)
def test_a_large_network_gets_few_slices_and_a_small_one_many(name, cut, side, expected):
    published = "torch" if name == "alexnet" else "caffe"
    assert chunks.slices_at_once(build_trunk(Trunk(name, cut, "random"), (side, side), published)) == expected


def test_a_slice_larger_than_the_limit_goes_alone(limited):
    chunks.limit_memory(1)
    trunk = build_trunk(Trunk("vgg16", "block5_conv3", "random"), (64, 64), "caffe")
    assert chunks.slices_at_once(trunk) == 1
    assert chunks.forward(trunk, np.zeros((3, 64, 64), np.float32)).shape == (3, 4, 4, 512)
