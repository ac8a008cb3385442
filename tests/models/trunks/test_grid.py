import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.trunks import Trunk, build_trunk, grid_span

# Larger than any receptive field here (ResNet50's: 483 pixels), and unlike along the two axes.
SIZE = (650, 605)
# With fewer channels than a vector holds (8 with AVX2, 16 with AVX-512), oneDNN's gradient of a 1x1 convolution with a
# stride writes past its buffer (oneDNN issue 6035).
CHANNELS = 16
CUTS = {
    "alexnet": ["conv1", "pool1", "conv3", "conv5", "pool5"],
    "squeezenet": ["conv1", "pool1", "fire2_expand3x3", "pool3", "fire5", "pool5", "fire9"],
    "vgg16": ["block1_conv2", "block1_pool", "block3_conv2", "block5_conv3", "block5_pool"],
    "vgg19": ["block4_conv4", "block5_pool"],
    "resnet50": [
        *("conv1_conv", "pool1_pad", "pool1_pool", "conv2_block1_out", "conv3_block1_0_conv", "conv3_block1_1_relu"),
        *("conv4_block6_add", "conv5_block3_out"),
    ],
}


def see_through(layer: keras.Layer) -> keras.Layer:
    """The same geometry in few channels, with means for maxima: every pixel of a receptive field has its share."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.Conv2D):
        share = keras.initializers.Constant(1 / (CHANNELS * config["kernel_size"][0] * config["kernel_size"][1]))
        return keras.layers.Conv2D.from_config(
            config | {"filters": CHANNELS, "activation": "linear", "kernel_initializer": share}
        )
    if isinstance(layer, keras.layers.MaxPooling2D):
        return keras.layers.AveragePooling2D.from_config(config)
    return type(layer).from_config(config)


def receptive_field(network: keras.Model, row: int, column: int) -> np.ndarray:
    """Found by experiment: which pixels change a cell at all, `[H, W]`."""
    pixels = tf.ones((1, *network.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        cell = tf.reduce_sum(network(pixels)[:, row, column])
    return np.abs(tape.gradient(cell, pixels)[0]) > 0


@functools.cache
def whole(name: str) -> tuple[keras.Model, keras.Model]:
    """A trunk up to the last of its cuts, and its thin likeness."""
    network = build_trunk(Trunk(name, CUTS[name][-1]), SIZE, "gray")
    return network, keras.models.clone_model(network, clone_function=see_through)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cut"), [(name, cut) for name, cuts in CUTS.items() for cut in cuts])
def test_a_cell_lies_where_its_receptive_field_does(name, cut):
    network, thin = (keras.Model(each.inputs, each.get_layer(cut).output) for each in whole(name))
    _, rows, columns, _ = network.output_shape
    row, column = rows // 2, columns // 2
    touched = receptive_field(thin, row, column)
    for axis, index, count, (low, high) in zip((1, 0), (row, column), (rows, columns), grid_span(network), strict=True):
        reached = np.flatnonzero(touched.any(axis=axis))
        assert reached[0] > 0
        assert reached[-1] < touched.shape[1 - axis] - 1  # the border cuts nothing off
        middle = (reached[0] + reached[-1] + 1) / 2
        expected = (low + (index + 0.5) * (high - low) / count) * touched.shape[1 - axis]
        assert middle == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("length", [40, 41])
def test_same_padding_with_a_stride_depends_on_the_size(length):
    """No trunk has it today: the padding before the first row depends on whether the rows come out even."""
    pixels = keras.Input((length, length))
    image = keras.layers.Reshape((length, length, 1))(pixels)
    network = keras.Model(pixels, keras.layers.Conv2D(1, 4, 3, padding="same", kernel_initializer="ones")(image))
    reached = np.flatnonzero(receptive_field(network, 5, 5).any(axis=1))
    low, high = grid_span(network)[0]
    cells = network.output_shape[1]
    assert (reached[0] + reached[-1] + 1) / 2 == pytest.approx((low + 5.5 * (high - low) / cells) * length)


def test_a_grid_of_equal_division_covers_its_slices():
    assert grid_span(build_trunk(Trunk("vgg16", "block3_pool"), (64, 48), "gray")) == ((0, 1), (0, 1))
