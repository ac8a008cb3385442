"""AlexNet: the one-tower network of Krizhevsky 2014 (arXiv:1404.5997), layer for layer as torchvision has it."""

from collections.abc import Iterator

import keras


def alexnet(image: keras.KerasTensor, width: float) -> Iterator[keras.Layer]:
    """Its layers, applied one by one to `[n, H, W, C]`; `width` scales the published channel counts.

    Zeros are padded explicitly, so that sizes and borders agree with torchvision's `features`.
    """
    for layer in _layers(width):
        image = layer(image)
        yield layer


def _layers(width: float) -> Iterator[keras.Layer]:
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
