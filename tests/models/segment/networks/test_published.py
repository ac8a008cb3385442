"""The networks are those of the papers: how many parameters they have, and how far they see."""

from functools import cache

import keras
import numpy as np
import pytest

from models.segment.networks import Architecture
from models.segment.networks.registry import build
from models.segment.networks.regnety import regnety
from models.segment.networks.xnet import L2
from tests.models.segment.networks.reach import lit_by, needs

pytestmark = pytest.mark.slow

UNET = Architecture("unet", width=1, depth=4)
XNET = Architecture("xnet", width=1, depth=3)
SE_REGUNET = Architecture("se-regunet", width=1, depth=2, variant="400mf")
UNET3D = Architecture("unet3d", width=1, depth=4)
ISOTROPIC = Architecture("unet3d", width=1, depth=3, variant="isotropic")
# The longest way through each network along columns, in the words of `needs`.
COLUMNS = {
    UNET: "ccp" * 4 + "cc" + "ucc" * 4,
    XNET: "cp" * 3 + "cc" + "uc" * 2 + "cp" * 2 + "cc" + "uc" * 3,
    SE_REGUNET: "s" + "s" + "scc" + "ucc" * 3,
    UNET3D: "ccp" * 4 + "cc" + "ucc" * 4,
    ISOTROPIC: "ccp" * 3 + "cc" + "ucc" * 3,
}
# Along slices, the first two levels of the anisotropic variant don't look aside.
SLICES = {UNET3D: "ccp" * 2 + "cc" + "ucc" * 2, ISOTROPIC: COLUMNS[ISOTROPIC]}
CLASSES_OF_IMAGENET = 1000


def parameters(network: keras.Model) -> int:
    """How many are trained."""
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


@cache
def encoder(variant: str) -> keras.Model:
    image = keras.Input((None, None, 3))
    return keras.Model(image, regnety(image, variant, 4)[-1])


def test_unet_has_the_parameters_of_the_usual_implementation():
    """With batch normalisation, three channels and two classes: milesial/Pytorch-UNet has as many."""
    assert parameters(build(Architecture("unet", 3, 2, width=64, depth=4))) == 31_037_698


def test_xnet_has_the_published_parameters():
    assert parameters(build(Architecture("xnet", 1, 3, width=64, depth=3))) == 11_734_851


def test_every_convolution_of_xnet_is_regularised():
    network = build(XNET)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 15
    penalty = sum(L2 * np.square(layer.get_weights()[0]).sum() for layer in convolutions)
    assert float(sum(network.losses)) == pytest.approx(penalty, rel=1e-5)


def test_xnet_ends_with_the_first_activation():
    """What joins the last convolution at full resolution is the first encoder's, before its pooling."""
    network = build(XNET)
    joined = network.get_layer("second_up0_join").input
    assert [
        tensor is network.get_layer(f"{name}_relu").output
        for tensor, name in zip(joined, ("first_down0", "second_up0"), strict=True)
    ] == [True, True]


def test_regnety_has_the_published_parameters():
    assert parameters(encoder("4gf")) == 19_557_656
    small = encoder("400mf")
    head = (small.output.shape[-1] + 1) * CLASSES_OF_IMAGENET
    assert parameters(small) + head == 4_344_144


def test_regnety_halves_five_times():
    image = keras.Input((64, 96, 1))
    shapes = [level.shape[1:] for level in regnety(image, "4gf", 4)]
    assert shapes == [(32, 48, 32), (16, 24, 128), (8, 12, 192), (4, 6, 512), (2, 3, 1088)]


def test_a_gate_is_as_wide_as_a_quarter_of_the_blocks_input():
    network = encoder("4gf")
    widths = {name: network.get_layer(f"{name}_se_squeeze").filters for name in ("stage1_block1", "stage2_block1")}
    assert widths == {"stage1_block1": 8, "stage2_block1": 32}


def test_unet3d_has_the_published_parameters():
    """The paper counts one parameter for each filter beside the kernels: all but the normalisation's scales."""
    network = build(Architecture("unet3d", 3, 3, width=32, depth=3, variant="isotropic"))
    scales = sum(layer.gamma.shape[0] for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    assert parameters(network) - scales == 19_069_955


@pytest.mark.parametrize("architecture", COLUMNS, ids=lambda architecture: architecture.network)
def test_a_network_sees_as_far_as_its_layers_let_it(architecture):
    step = architecture.multiple[-1]
    length = 16 * step if step > 8 else 32 * step
    for pixel in (length // 2, length // 2 + step // 2 - 1, length // 2 + step - 1):
        seen = [needs(COLUMNS[architecture], output) for output in range(length)]
        expected = [output for output, (first, last) in enumerate(seen) if first <= pixel <= last]
        assert lit_by(architecture, pixel, length) == (expected[0], expected[-1])
        assert 0 < expected[0] < expected[-1] < length - 1  # the image is large enough to tell


@pytest.mark.parametrize("architecture", SLICES, ids=lambda architecture: architecture.chosen)
def test_how_many_slices_a_3d_network_sees(architecture):
    length, pixel = 128, 66
    seen = [needs(SLICES[architecture], output) for output in range(length)]
    expected = [output for output, (first, last) in enumerate(seen) if first <= pixel <= last]
    assert lit_by(architecture, pixel, length, axis=-3) == (expected[0], expected[-1])
    assert 0 < expected[0] < expected[-1] < length - 1


@pytest.mark.parametrize(
    ("architecture", "given", "answered"), [(UNET, 572, 388), (ISOTROPIC, 132, 44)], ids=["unet", "unet3d"]
)
def test_the_papers_sizes(architecture, given, answered):
    """The papers' networks don't pad: they need 572 pixels to answer for 388, and 132 for 44.

    Pooling pairs the same pixels there if their input begins at our third pixel.
    """
    length = given + 4 + -(given + 4) % architecture.multiple[-1]
    begin, margin = 2, (given - answered) // 2
    block = range(begin + margin, begin + margin + answered)

    def reaches(pixel: int) -> bool:
        first, last = lit_by(architecture, pixel, length)
        return first < block.stop and last >= block.start

    edges = (begin - 1, begin, begin + given - 1, begin + given)
    assert [reaches(pixel) for pixel in edges] == [False, True, True, False]
