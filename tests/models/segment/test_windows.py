import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from data_prep.volume import FloatArray
from models.segment.networks import Architecture
from models.segment.networks.registry import build
from models.segment.windows import _places, fitting_window, probabilities

pytestmark = pytest.mark.slow

# Neighbouring windows are added up in float32.
ROUNDING = 1e-5
SLICES = Architecture("unet", 2, 3, width=2, depth=1)
BLOCKS = Architecture("unet3d", 2, 3, width=2, depth=3)


class Spy:
    """A network that remembers the shapes that it was given."""

    def __init__(self, network: keras.Model) -> None:
        self.network, self.shapes = network, []
        self.inputs, self.layers = network.inputs, network.layers

    def predict_on_batch(self, block: FloatArray) -> FloatArray:
        self.shapes.append(block.shape)
        return self.network.predict_on_batch(block)


def network_of(architecture: Architecture) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build(architecture)


def near(architecture: Architecture) -> keras.Model:
    """A network that sees one pixel to each side, in the shape of `architecture`'s."""
    keras.utils.set_random_seed(1)
    dimensions = 3 if architecture.volumetric else 2
    layer = keras.layers.Conv3D if architecture.volumetric else keras.layers.Conv2D
    image = keras.Input((None,) * dimensions + (architecture.channels,))
    return keras.Model(image, layer(architecture.classes, 3, padding="same", kernel_initializer="random_normal")(image))


def volume_of(*size: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).random((*size, 2), np.float32)


def at_once(network: keras.Model, architecture: Architecture, volume: FloatArray) -> FloatArray:
    """The same without windows: padded as a whole, one call, softmax in float64."""
    missing = [(0, -length % step) for length, step in zip(volume.shape, architecture.multiple, strict=False)]
    padded = np.pad(volume, (*missing, (0, 0)), "edge")
    logits = network(padded[None])[0] if architecture.volumetric else network(padded)
    slices, rows, columns, _ = volume.shape
    found = softmax(np.array(logits, float), axis=-1)[:slices, :rows, :columns, 1:]
    return np.moveaxis(found, -1, 0)


@pytest.mark.parametrize(
    ("architecture", "size", "window"),
    [
        (SLICES, (5, 12, 16), None),
        (SLICES, (5, 11, 15), (2, 12, 16)),  # chunks of two slices, and sizes that aren't multiples
        (BLOCKS, (8, 16, 24), None),
        (BLOCKS, (7, 13, 18), None),
    ],
    ids=["slices", "chunks", "block", "padded block"],
)
def test_a_network_sees_a_small_volume_as_a_whole(architecture, size, window):
    network, volume = network_of(architecture), volume_of(*size)
    found = probabilities(network, architecture, volume, window)
    assert found.shape == (2, *size)
    assert found.dtype == np.float32
    assert found == pytest.approx(at_once(network, architecture, volume), abs=ROUNDING)


@settings(max_examples=10)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 40), st.integers(1, 40)),
    window=st.tuples(st.sampled_from([8, 12]), st.sampled_from([16, 24]), st.sampled_from([16, 24])),
    architecture=st.sampled_from([SLICES, BLOCKS]),
)
def test_windows_agree_with_the_whole_if_the_network_sees_no_further(size, window, architecture):
    network, volume = near(architecture), volume_of(*size)
    found = probabilities(network, architecture, volume, window)
    assert found == pytest.approx(at_once(network, architecture, volume), abs=ROUNDING)


def test_windows_of_a_network_that_sees_further_are_blended():
    """Nowhere is the step at a window's border as large as it would be without blending."""
    network, volume = network_of(BLOCKS), volume_of(8, 16, 96)
    found = probabilities(network, BLOCKS, volume, (8, 16, 32))
    assert found.sum(axis=0).max() <= 1 + ROUNDING
    whole = at_once(network, BLOCKS, volume)
    side_by_side = np.concatenate(
        [at_once(network, BLOCKS, volume[:, :, start : start + 32]) for start in (0, 32, 64)], axis=-1
    )
    assert np.abs(found - whole)[..., 31:33].mean() < np.abs(side_by_side - whole)[..., 31:33].mean() / 2


@given(
    whole=st.integers(1, 200),
    multiple=st.sampled_from([1, 4, 16]),
    windows=st.integers(2, 6),
    blended=st.booleans(),
)
def test_the_shares_of_windows_add_up_to_1(whole, multiple, windows, blended):
    padded = -(-whole // multiple) * multiple
    part = min(padded, windows * multiple)
    places = _places(whole, part, multiple, blended)
    total = np.zeros(whole)
    for start, weights in places:
        assert start % multiple == 0
        assert start + part <= padded
        total[start : start + len(weights)] += weights
    assert total == pytest.approx(np.ones(whole), abs=ROUNDING)


@pytest.mark.parametrize(
    ("architecture", "size", "megabytes", "window"),
    [
        (SLICES, (30, 64, 64), 1000, (30, 64, 64)),
        (SLICES, (30, 64, 64), 3, (4, 64, 64)),
        (SLICES, (30, 64, 64), 0.5, (1, 64, 32)),
        (SLICES, (30, 64, 64), 0, (1, 4, 4)),
        (BLOCKS, (30, 60, 60), 1000, (30, 64, 64)),
        (BLOCKS, (30, 60, 60), 0, (4, 16, 16)),
    ],
    ids=str,
)
def test_the_window_is_the_largest_that_fits(architecture, size, megabytes, window):
    assert fitting_window(network_of(architecture), architecture, size, size, megabytes) == window


@pytest.mark.parametrize("architecture", [SLICES, BLOCKS], ids=lambda architecture: architecture.network)
def test_the_network_gets_windows_of_one_size(architecture):
    """Another size would be compiled anew."""
    spy = Spy(network_of(architecture))
    probabilities(spy, architecture, volume_of(13, 40, 40), megabytes=1)
    assert len(spy.shapes) > 1
    assert len(set(spy.shapes)) == 1


def test_the_wanted_window_is_rounded_up_to_what_the_network_can_halve():
    assert fitting_window(network_of(BLOCKS), BLOCKS, (40, 100, 100), (1, 20, 30)) == (4, 24, 32)


def test_a_volume_of_other_channels_is_refused():
    with pytest.raises(ValueError, match=r"unet needs a volume \[slices, rows, columns, 2\], not \[3, 8, 8, 1\]"):
        probabilities(network_of(SLICES), SLICES, np.zeros((3, 8, 8, 1), np.float32))
