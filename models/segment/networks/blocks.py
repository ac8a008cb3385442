"""Layers that several networks are made of."""

import keras

# Of the averages that batch normalisation keeps for predictions. Keras' own is 0.99: after a training of a few hundred
# steps, the averages would still be those of the random start.
MOMENTUM = 0.9


def convolution(
    image: keras.KerasTensor,
    filters: int,
    kernel: int | tuple[int, ...],
    name: str,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    l2: float = 0.0,
    active: bool = True,
) -> keras.KerasTensor:
    """A convolution of images or volumes with same padding, then batch normalisation, then ReLU.

    The normalisation uses the mean and deviation of all pixels of all slices of a batch, so that few slices are enough.

    Args:
        image: `[B, H, W, C]` or `[B, S, H, W, C]`.
        filters: How many channels the result has.
        kernel: Its size in pixels, the same for each axis or one for each.
        name: Of the convolution; the names of the other layers begin with it.
        stride: In pixels, for each axis.
        groups: The channels of the result are made from those of their own group only.
        bias: Whether the convolution adds a bias, which the normalisation takes away again; for published counts.
        l2: Weight of the sum of the squared kernel in the loss.
        active: Whether ReLU follows.
    """
    layer = keras.layers.Conv2D if len(image.shape) == 4 else keras.layers.Conv3D
    options = {"groups": groups, "use_bias": bias, "kernel_initializer": "he_normal", "kernel_regularizer": decay(l2)}
    image = layer(filters, kernel, stride, "same", name=name, **options)(image)
    image = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(image)
    return keras.layers.ReLU(name=f"{name}_relu")(image) if active else image


def twice(image: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Two convolutions 3x3, as at each level of a U-Net."""
    for index in (1, 2):
        image = convolution(image, filters, 3, f"{name}_conv{index}")
    return image


def squeeze_excite(image: keras.KerasTensor, squeezed: int, name: str) -> keras.KerasTensor:
    """Squeeze and excitation (Hu 2018, arXiv:1709.01507): each channel times a gate between 0 and 1.

    The gates are made of the means of all channels over the whole image, by two fully connected layers.

    Args:
        image: `[B, H, W, C]`.
        squeezed: Width of the first of the two layers.
        name: Names of layers begin with it.
    """
    gates = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(image)
    gates = keras.layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_squeeze")(gates)
    gates = keras.layers.Conv2D(image.shape[-1], 1, activation="sigmoid", name=f"{name}_excite")(gates)
    return keras.layers.Multiply(name=f"{name}_gated")([image, gates])


def logits(image: keras.KerasTensor, classes: int, l2: float = 0.0) -> keras.KerasTensor:
    """A convolution of one pixel that scores the classes, in float32 even if other layers use float16."""
    layer = keras.layers.Conv2D if len(image.shape) == 4 else keras.layers.Conv3D
    return layer(classes, 1, kernel_regularizer=decay(l2), dtype="float32", name="logits")(image)


def decay(l2: float) -> keras.regularizers.Regularizer | None:
    """The regulariser of a kernel, None for 0."""
    return keras.regularizers.L2(l2) if l2 else None
