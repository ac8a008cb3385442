"""How far a network sees, measured: which outputs change when one pixel of a black image is lit.

With kernels that are positive and biases of 0, nothing can hide a change: ReLU passes it, max pooling prefers it. The
gates of squeeze-and-excitation, which see the whole image, stay apart: a gate times 0 is 0.
"""

from functools import cache

import keras
import numpy as np

from models.segment.networks import Architecture
from models.segment.networks.registry import build


@cache
def plain(architecture: Architecture) -> keras.Model:
    """The network with kernels that add up everything that they see of their channels' mean."""
    network = build(architecture)
    for layer in network.layers:
        if not isinstance(layer, keras.layers.BatchNormalization) and layer.weights:
            kernel, *bias = layer.get_weights()
            layer.set_weights([np.full_like(kernel, 1 / kernel.shape[-2]), *map(np.zeros_like, bias)])
    return network


def lit_by(architecture: Architecture, pixel: int, length: int, axis: int = -1) -> tuple[int, int]:
    """The first and the last output that an input pixel reaches along an axis.

    Args:
        architecture: Of the network.
        pixel: Its place along the axis.
        length: Of the image along the axis; it is as small as the network allows along the others.
        axis: -1 for columns, -3 for slices.
    """
    size = list(architecture.multiple[not architecture.volumetric :])
    size[axis] = length
    image = np.zeros((1, *size, architecture.channels), np.float32)
    image[(..., *(pixel if index == len(size) + axis else 0 for index in range(len(size))), slice(None))] = 1
    logits = plain(architecture).predict_on_batch(image)[0, ..., 0]
    assert np.isfinite(logits).all()
    others = tuple(index for index in range(len(size)) if index != len(size) + axis)
    reached = np.flatnonzero((logits > 0).any(axis=others))
    return int(reached[0]), int(reached[-1])


def needs(layers: str, output: int) -> tuple[int, int]:
    """The first and the last input pixel that an output depends on, from the layers along the longest way.

    Args:
        layers: From input to output: c for a 3x3 convolution, s for one with stride 2, p for pooling, u for twice the
            size.
        output: The output pixel.
    """
    first = last = output
    for layer in reversed(layers):
        if layer == "c":
            first, last = first - 1, last + 1
        elif layer == "s":  # same padding of an even size: none before, one pixel after
            first, last = 2 * first, 2 * last + 2
        elif layer == "p":
            first, last = 2 * first, 2 * last + 1
        else:
            first, last = first // 2, last // 2
    return first, last
