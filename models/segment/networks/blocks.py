"""Layers that several networks are made of."""

from collections.abc import Callable, Sequence

import keras

# Keras' own is 0.99: after the few hundred steps of a short training, or of one on a few slices, the averages that
# prediction uses would still be those of the random start.
MOMENTUM = 0.9
# What a batch normalisation adds to the variance; Keras' own.
EPSILON = 1e-3

Layer = Callable[[keras.KerasTensor], keras.KerasTensor]


def convolution(
    image: keras.KerasTensor,
    filters: int,
    kernel: int | Sequence[int],
    name: str,
    *,
    stride: int = 1,
    groups: int = 1,
    active: bool = True,
    l2: float = 0.0,
    bias: bool = False,
) -> keras.KerasTensor:
    """A convolution with same padding, batch normalisation, and ReLU if `active`.

    A kernel of three numbers makes it a convolution in space. It needs no bias: the normalisation takes it away again
    and has its own.
    """
    dimensions = len(image.shape) - 2
    layer = keras.layers.Conv3D if dimensions == 3 else keras.layers.Conv2D
    image = layer(
        filters,
        kernel,
        stride,
        "same",
        groups=groups,
        use_bias=bias,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name=name,
    )(image)
    image = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_norm")(image)
    return keras.layers.Activation("relu", name=f"{name}_relu")(image) if active else image


def logits(image: keras.KerasTensor, classes: int, l2: float = 0.0) -> keras.KerasTensor:
    """A convolution of one pixel that scores the classes, in float32 with any precision of the other layers."""
    layer = keras.layers.Conv3D if len(image.shape) == 5 else keras.layers.Conv2D
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return layer(classes, 1, kernel_regularizer=regularizer, dtype="float32", name="logits")(image)
