"""XNet: Bullock, Cuesta-Lázaro, Quera-Bofarull 2018, a network for few X-ray images (arXiv:1812.00548).

Two encoder-decoders, one after the other, in the shape of a W. All convolutions are 3x3 with batch normalisation and
ReLU; the filters, with a line for each half:

    64 pool, 128 pool, 256 pool, 512, 512, up 256 (+ third), up 128 (+ second),
    128 pool, 256 pool, 512, 512, up 256 (+ 256), up 128 (+ 128), up 64 (+ first); 1x1 to the classes

"+" joins the channels of the encoder's activation of the same size before its pooling: in the second half its own
encoder's, and at the end the first one's at full resolution. Published: width 64, depth 3.

"up" doubles rows and columns by repeating each pixel, then comes the convolution. Convolutions have a bias, as in the
authors' code. Their code has no L2, although their paper's loss has: 5e-4 for the kernel of every convolution here.
"""

import keras

from models.segment.networks.architecture import Architecture
from models.segment.networks.blocks import convolution, logits

L2 = 5e-4


def xnet(image: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Logits `[B, H, W, classes]` of images `[B, H, W, channels]`. Width: the filters of the first convolution.

    The first half halves the resolution `depth` times, the second one `depth` - 1 times.
    """
    width, depth = architecture.width, architecture.depth
    filters = [width * 2**level for level in range(depth + 1)]
    image, first = _down(image, filters, "first")
    for level in reversed(range(1, depth)):
        image = _up(image, filters[level], first[level], f"first_up{level}")
    image, second = _down(image, filters[1:], "second")
    for level in reversed(range(depth)):
        skip = second[level - 1] if level else first[0]
        image = _up(image, filters[level], skip, f"second_up{level}")
    return logits(image, architecture.classes, L2)


def _down(image: keras.KerasTensor, filters: list[int], name: str) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """An encoder with its two convolutions at the lowest resolution. Also returns what is before each pooling."""
    skips = []
    for level, count in enumerate(filters[:-1]):
        skips.append(_convolution(image, count, f"{name}_down{level}"))
        image = keras.layers.MaxPooling2D(2, name=f"{name}_down{level}_pool")(skips[-1])
    for index in (1, 2):
        image = _convolution(image, filters[-1], f"{name}_flat{index}")
    return image, skips


def _up(image: keras.KerasTensor, filters: int, skip: keras.KerasTensor, name: str) -> keras.KerasTensor:
    image = keras.layers.UpSampling2D(2, name=f"{name}_grow")(image)
    image = _convolution(image, filters, name)
    return keras.layers.Concatenate(name=f"{name}_join")([skip, image])


def _convolution(image: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return convolution(image, filters, 3, name, bias=True, l2=L2)
