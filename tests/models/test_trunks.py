import numpy as np
import pytest
import tensorflow as tf

from models.trunks import TORCH_DEVIATION, TORCH_MEAN, Trunk, build_trunk, grid_span, load_imagenet


def convolve(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """A plain convolution with ReLU, written from its definition: image `[H, W, C]`, kernel `[k, k, C, F]`."""
    image = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))[::stride, ::stride]
    return np.maximum(np.einsum("hwcij,ijcf->hwf", windows, kernel, optimize=True) + bias, 0)


def pool(image: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))[::2, ::2]
    return windows.max(axis=(-2, -1))


@pytest.mark.weights
def test_alexnet_with_imagenet_weights_equals_its_definition(weights_folder, monkeypatch):
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(weights_folder))
    network = build_trunk(Trunk(weights="imagenet"), (96, 80), "torch")
    load_imagenet(network, Trunk(weights="imagenet"))
    plane = np.random.default_rng(0).random((96, 80), np.float32)

    grid = (np.repeat(plane[..., None], 3, axis=-1) - TORCH_MEAN) / TORCH_DEVIATION
    with np.load(weights_folder / "alexnet_imagenet_features.npz") as arrays:
        for layer, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], start=1):
            grid = convolve(grid, arrays[f"conv{layer}_kernel"], arrays[f"conv{layer}_bias"], stride, padding)
            if layer in (1, 2, 5):
                grid = pool(grid)
    ours = np.array(network(plane[None]))[0]
    assert ours == pytest.approx(grid, abs=1e-4 * grid.max())


@pytest.mark.parametrize(("size", "cells"), [(224, 6), (256, 7)])
def test_alexnet_has_the_published_grid(size, cells):
    assert build_trunk(Trunk(), (size, size), "torch").output_shape == (None, cells, cells, 256)


def test_channel_conventions():
    """What a network sees of black and white, told by a trunk that is nothing but its first layers."""
    plane = np.stack([np.zeros((63, 63)), np.ones((63, 63))]).astype(np.float32)
    seen = {}
    for channels in ("gray", "torch", "caffe"):
        network = build_trunk(Trunk(cut="pad1"), (63, 63), channels)
        seen[channels] = np.array(network(plane))[:, 10, 10]
    assert seen["gray"].tolist() == [[-1], [1]]
    assert seen["torch"] == pytest.approx((np.array([[0.0] * 3, [1.0] * 3]) - TORCH_MEAN) / TORCH_DEVIATION, abs=1e-5)
    assert seen["caffe"] == pytest.approx(np.array([[0.0] * 3, [255.0] * 3]) - (103.939, 116.779, 123.68), abs=1e-3)


def test_an_unknown_layer_and_missing_weights_are_explained(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="alexnet has no layer 'conv9'; cut it at one of pad1, conv1"):
        build_trunk(Trunk(cut="conv9"), (63, 63), "gray")
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no alexnet_imagenet_features\.npz: set CRUCIATE_WEIGHTS"):
        load_imagenet(build_trunk(Trunk(), (63, 63), "torch"), Trunk())


@pytest.mark.parametrize("cut", ["conv1", "pool1", "conv3", "conv5", "pool5"])
def test_a_cell_lies_where_its_receptive_field_does(cut):
    """Found by experiment: which pixels change a cell at all, with weights that let everything through."""
    network = build_trunk(Trunk(cut=cut, width=1 / 64), (420, 331), "gray")
    for layer in network.layers:
        if layer.name.startswith("conv"):
            kernel, bias = layer.get_weights()
            layer.set_weights([np.full_like(kernel, 1 / kernel[..., 0].size), np.ones_like(bias)])
    _, rows, columns, _ = network.output_shape
    row, column = rows // 2, columns // 2
    with tf.GradientTape() as tape:
        # Ramps, so that each maximum has one winner; from both sides, so that their mean is the field's middle.
        ramp = np.linspace(0, 1, 420 * 331, dtype=np.float32).reshape(1, 420, 331)
        pixels = tf.constant(np.concatenate([ramp, ramp[:, ::-1, ::-1]]))
        tape.watch(pixels)
        cell = tf.reduce_sum(network(pixels)[:, row, column])
    touched = np.abs(tape.gradient(cell, pixels)).sum(axis=0) > 0
    spans = grid_span(network)
    for axis, index, count, (low, high) in zip((1, 0), (row, column), (rows, columns), spans, strict=True):
        reached = np.flatnonzero(touched.any(axis=axis))
        middle = (reached[0] + reached[-1] + 1) / 2
        expected = (low + (index + 0.5) * (high - low) / count) * touched.shape[1 - axis]
        assert middle == pytest.approx(expected, abs=1)
