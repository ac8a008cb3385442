"""SqueezeNet 1.1: Iandola 2016 (arXiv:1602.07360), with earlier pooling, as in its authors' second release.

The layers are those of torchvision's `features` of squeezenet1_1, with the paper's names.
"""

from collections.abc import Iterator

import keras

# A pool has the number of the block that it follows.
BLOCKS = ["conv1", "pool1", "fire2", "fire3", "pool3", "fire4", "fire5", "pool5", "fire6", "fire7", "fire8", "fire9"]
# Channels of a fire module: of its narrow part and of each of its two wide parts (s1x1, and e1x1 = e3x3 in the paper).
FIRES = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}


def squeezenet(image: keras.KerasTensor, width: float) -> Iterator[keras.Layer]:
    """Apply SqueezeNet's layers one by one.

    A trunk can be cut at a fire module's name (both wide parts, concatenated) or at one of the module's parts.

    Args:
        image: `[n, H, W, C]`.
        width: Factor of the published channel counts.

    Yields:
        Each layer after it was applied.
    """
    for block in BLOCKS:
        if block in FIRES:
            layers = _fire(block, image, width)
        elif block == "conv1":
            layers = iter([_conv(block, image, 64 * width, kernel=3, strides=2)])
        else:
            layers = _pool(block, image)
        for layer in layers:
            yield layer
        image = layer.output


def _fire(name: str, image: keras.KerasTensor, width: float) -> Iterator[keras.Layer]:
    narrow, wide = (channels * width for channels in FIRES[name])
    squeeze = _conv(f"{name}_squeeze", image, narrow, kernel=1)
    yield squeeze
    parts = [_conv(f"{name}_expand{size}x{size}", squeeze.output, wide, kernel=size, padding="same") for size in (1, 3)]
    yield from parts
    yield _applied(keras.layers.Concatenate(name=name), [part.output for part in parts])


def _pool(name: str, image: keras.KerasTensor) -> Iterator[keras.Layer]:
    """Maximum pooling of 3 x 3 with stride 2; the last window may extend beyond the edge (torchvision's `ceil_mode`).

    Beyond the edge the values are 0, which doesn't change a maximum of rectified values.
    """
    beyond = tuple((0, 1 - length % 2) for length in image.shape[1:3])
    pad = _applied(keras.layers.ZeroPadding2D(beyond, name=f"{name}_pad"), image)
    yield pad
    yield _applied(keras.layers.MaxPooling2D(3, 2, name=name), pad.output)


def _conv(name: str, image: keras.KerasTensor, filters: float, kernel: int, **options: int | str) -> keras.Layer:
    layer = keras.layers.Conv2D(
        max(1, round(filters)), kernel, activation="relu", kernel_initializer="he_normal", name=name, **options
    )
    return _applied(layer, image)


def _applied(layer: keras.Layer, inputs: keras.KerasTensor | list[keras.KerasTensor]) -> keras.Layer:
    layer(inputs)
    return layer
