"""A forward pass in chunks: the same features, whatever the number of slices, and bounded memory."""

import keras
import numpy as np
import pytest

from models.routes import chunks
from models.routes.network import Head
from tests.models.conftest import RECIPE, some_slices, tiny_ensemble, tiny_finetuned, tiny_mrnet, tiny_svc

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
    monkeypatch.setattr(chunks, "CHUNK_PIXELS", count * RECIPE.size[0] * RECIPE.size[1])
    apart = route.features(slices)
    if count >= len(slices):
        assert (apart == whole).all()
    assert route.logits(apart) == pytest.approx(route.logits(whole), abs=ROUNDING)
    one, other = (route.explain(slices, features).maps for features in (whole, apart))
    assert np.abs(one - other).max() < ROUNDING


class Counting(keras.layers.Layer):
    """A trunk that knows how many slices it gets at one time."""

    def call(self, slices):
        COUNTS.append(slices.shape[0])
        return slices[..., None]


COUNTS: list[int | None] = []


@pytest.mark.parametrize(
    ("count", "side", "expected"), [(60, 224, [8] * 7 + [4]), (60, 112, [32, 28]), (27, 512, [1] * 27), (27, 112, [27])]
)
def test_a_trunk_gets_only_so_many_pixels_at_one_time(count, side, expected):
    layer = Counting()
    COUNTS.clear()
    assert chunks.forward(layer, np.zeros((count, side, side), np.float32)).shape == (count, side, side, 1)
    assert expected == COUNTS


def test_a_slice_larger_than_a_chunk_goes_alone(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_PIXELS", 1)
    assert tiny_mrnet().features(some_slices(3)).shape[0] == 3
