"""SqueezeNet 1.1: Iandola 2016 (arXiv:1602.07360), pooled earlier, as its authors' second release has it.

Layer for layer torchvision's `features` of squeezenet1_1, under the paper's names.
"""

from collections.abc import Iterator

import keras

# A pool has the number of the block that it follows.
BLOCKS = ["conv1", "pool1", "fire2", "fire3", "pool3", "fire4", "fire5", "pool5", "fire6", "fire7", "fire8", "fire9"]
# Channels of a fire module: of its narrow part and of each of the two wide ones (s1x1, and e1x1 = e3x3 in the paper).
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
    """Its layers, applied one by one to `[n, H, W, C]`; `width` scales the published channel counts.

    A fire module is cut at its own name (both wide parts, side by side) or at one of its parts.
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
    """Maxima of 3 x 3, every second one; the last may reach over the edge (torchvision's `ceil_mode`).

    What lies beyond is zero, which no maximum of rectified values notices.
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
