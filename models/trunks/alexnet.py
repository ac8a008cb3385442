"""AlexNet: the one-tower network of Krizhevsky 2014 (arXiv:1404.5997), with the same layers as in torchvision."""

from collections.abc import Iterator

import keras


def alexnet(image: keras.KerasTensor, width: float) -> Iterator[keras.Layer]:
    """Apply AlexNet's layers one by one.

    A separate layer pads zeros before the first, strided convolution, so that sizes and borders are as in torchvision.

    Args:
        image: `[n, H, W, C]`.
        width: Factor of the published channel counts.

    Yields:
        Each layer after it was applied.
    """
    for layer in _layers(width):
        image = layer(image)
        yield layer


def _layers(width: float) -> Iterator[keras.Layer]:
    def conv(index: int, filters: int, kernel: int, stride: int = 1, padding: str = "same") -> keras.Layer:
        filters, start = max(1, round(filters * width)), "he_normal"
        return keras.layers.Conv2D(
            filters, kernel, stride, padding, activation="relu", kernel_initializer=start, name=f"conv{index}"
        )

    def pool(index: int) -> keras.Layer:
        return keras.layers.MaxPooling2D(3, 2, name=f"pool{index}")

    yield keras.layers.ZeroPadding2D(2, name="pad1")
    yield conv(1, 64, kernel=11, stride=4, padding="valid")
    yield pool(1)
    yield conv(2, 192, kernel=5)
    yield pool(2)
    yield conv(3, 384, kernel=3)
    yield conv(4, 256, kernel=3)
    yield conv(5, 256, kernel=3)
    yield pool(5)
