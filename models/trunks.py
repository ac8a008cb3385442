"""Convolutional feature extractors: a batch of slices in, a grid of features for each slice out.

AlexNet is the one-tower network of Krizhevsky 2014 (arXiv:1404.5997), layer for layer as torchvision has it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from data_prep.preprocess import Channels

# ImageNet statistics that the pretrained weights expect: torchvision's (RGB in 0..1) and Caffe's (BGR in 0..255).
TORCH_MEAN, TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class Trunk:
    """Which extractor, up to which layer, from which weights.

    cut: name of the last layer kept. width: fraction of the published channel counts (1 for pretrained weights).
    """

    name: Literal["alexnet"] = "alexnet"
    cut: str = "pool5"
    weights: Literal["random", "imagenet"] = "random"
    width: float = 1.0


def build_trunk(trunk: Trunk, size: tuple[int, int], channels: Channels) -> keras.Model:
    """The network `[n, H, W]` in 0..1 -> features `[n, h, w, C]`; random weights until they are loaded.

    Raises ValueError for a layer that the trunk doesn't have.
    """
    pixels = keras.Input(size, name="slices")
    features = _as_channels(pixels, channels)
    layers = {}
    for layer in LAYERS[trunk.name](trunk.width):
        features = layers[layer.name] = layer(features)
        if layer.name == trunk.cut:
            return keras.Model(pixels, features, name=trunk.name)
    raise ValueError(f"{trunk.name} has no layer {trunk.cut!r}; cut it at one of {', '.join(layers)}")


def grid_span(network: keras.Model) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the features' grid lies on the slices: first and last edge of its cells, as fractions of rows and columns.

    A cell is centred on its receptive field, so a grid covers less than its slices: without padding to make up for
    kernels, the outermost cells lie further in than an even division would put them (Araujo 2019,
    doi:10.23915/distill.00021).
    """
    first, step = 0.5, 1.0
    for layer in network.layers:
        if isinstance(layer, keras.layers.ZeroPadding2D):
            first -= layer.padding[0][0] * step
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D):
            kernel = layer.kernel_size if isinstance(layer, keras.layers.Conv2D) else layer.pool_size
            first += (kernel[0] - 1) / 2 * step
            step *= layer.strides[0]
    sizes, cells = network.input_shape[1:], network.output_shape[1:3]
    rows, columns = (
        ((first - step / 2) / size, (first + (count - 0.5) * step) / size)
        for size, count in zip(sizes, cells, strict=True)
    )
    return rows, columns


def load_imagenet(network: keras.Model, trunk: Trunk) -> None:
    """Fill a trunk with ImageNet weights from the folder CRUCIATE_WEIGHTS; FileNotFoundError if they aren't there."""
    path = Path(os.environ.get("CRUCIATE_WEIGHTS", "")) / f"{trunk.name}_imagenet_features.npz"
    if not path.is_file():
        raise FileNotFoundError(
            f"no {path.name}: set CRUCIATE_WEIGHTS to a folder that has it (torchvision's features as HWIO arrays "
            f'conv1_kernel, conv1_bias, ...), or train with weights = "random"'
        )
    if trunk.width != 1:
        raise ValueError("ImageNet weights fit a trunk of width 1 only")
    with np.load(path) as arrays:
        for layer in network.layers:
            if isinstance(layer, keras.layers.Conv2D):
                layer.set_weights([arrays[f"{layer.name}_kernel"], arrays[f"{layer.name}_bias"]])


def _as_channels(pixels: keras.KerasTensor, channels: Channels) -> keras.KerasTensor:
    grey = keras.layers.Reshape((*pixels.shape[1:], 1), name="grey")(pixels)
    if channels == "gray":
        return keras.layers.Rescaling(2.0, -1.0, name="centred")(grey)
    three = keras.layers.Concatenate(name="three_channels")([grey] * 3)
    if channels == "torch":
        variance = np.square(TORCH_DEVIATION)
        return keras.layers.Normalization(mean=TORCH_MEAN, variance=variance, name="imagenet")(three)
    bytes_ = keras.layers.Rescaling(255.0, name="bytes")(three)
    return keras.layers.Normalization(mean=CAFFE_MEAN, variance=(1.0,) * 3, name="caffe")(bytes_)


def _alexnet(width: float) -> Iterator[keras.Layer]:
    """`features` of torchvision's alexnet: explicit zero padding, so that sizes and borders agree."""

    def conv(index: int, filters: int, kernel: int, stride: int, padding: int) -> Iterator[keras.Layer]:
        yield keras.layers.ZeroPadding2D(padding, name=f"pad{index}")
        filters = max(1, round(filters * width))
        yield keras.layers.Conv2D(
            filters, kernel, stride, activation="relu", kernel_initializer="he_normal", name=f"conv{index}"
        )

    def pool(index: int) -> keras.Layer:
        return keras.layers.MaxPooling2D(3, 2, name=f"pool{index}")

    yield from conv(1, 64, kernel=11, stride=4, padding=2)
    yield pool(1)
    yield from conv(2, 192, kernel=5, stride=1, padding=2)
    yield pool(2)
    yield from conv(3, 384, kernel=3, stride=1, padding=1)
    yield from conv(4, 256, kernel=3, stride=1, padding=1)
    yield from conv(5, 256, kernel=3, stride=1, padding=1)
    yield pool(5)


LAYERS: dict[str, Callable[[float], Iterator[keras.Layer]]] = {"alexnet": _alexnet}
