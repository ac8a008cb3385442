"""Apply a segmentation network to a volume of any size, in windows, so that memory has a limit.

A 2D network gets a few whole slices at one time, a 3D one overlapping blocks whose probabilities are blended. In memory
are the result and one window.
"""

import itertools
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from data_prep.volume import FloatArray
from models.routes.chunks import BYTES_OF_A_VALUE, DEFAULT_MB
from models.segment.networks import Architecture

# Neighbouring windows share half of their length.
OVERLAP = 2
# Blending: a Gaussian around the window's centre with a standard deviation of an eighth of its length, as in nnU-Net
# (Isensee 2021, doi:10.1038/s41592-020-01008-z).
BLUR = 8
# The eighth of a window that is next to other windows isn't used: the network can't see far enough from there.
MARGIN = 8

Size = tuple[int, int, int]


def probabilities(
    network: keras.Model,
    architecture: Architecture,
    volume: FloatArray,
    window: Size | None = None,
    megabytes: int = DEFAULT_MB,
) -> FloatArray:
    """Segment a volume.

    The parts of a window that lie outside the volume repeat its outermost pixels. If a network sees no further than an
    eighth of a window's length, the result is that of the whole volume at once, rounding apart.

    Args:
        network: Made by `build`.
        architecture: The network's.
        volume: float32 `[S, H, W, channels]`.
        window: Slices, rows and columns that the network gets at most at one time; rounded up to what it can halve.
        megabytes: What the outputs of all its layers may take; the window is made smaller until they fit. The network
            is compiled, and keeps only some of them.

    Returns:
        The probability of each structure in each voxel, float32 `[K, S, H, W]`; without the background, so `K` is
        `classes - 1`.

    Raises:
        ValueError: If the volume hasn't the network's channels.
    """
    if volume.ndim != 4 or volume.shape[-1] != architecture.channels:
        expected = f"[slices, rows, columns, {architecture.channels}]"
        raise ValueError(f"{architecture.network} needs a volume {expected}, not {list(volume.shape)}")
    size: Size = volume.shape[:3]
    length = fitting_window(network, architecture, size, window or size, megabytes)
    result = np.zeros((architecture.classes - 1, *size), np.float32)
    along = [
        _places(whole, part, multiple, blended=architecture.volumetric or axis > 0)
        for axis, (whole, part, multiple) in enumerate(zip(size, length, architecture.multiple, strict=True))
    ]
    for places in itertools.product(*along):
        inside = tuple(slice(place.start, place.start + len(place.weights)) for place in places)
        block = volume[inside]
        missing = [(0, part - have) for part, have in zip(length, block.shape, strict=False)]
        found = _softmax(network, architecture, np.pad(block, (*missing, (0, 0)), "edge"))
        slices, rows, columns = np.ix_(*(place.weights for place in places))
        found = found[: slices.size, : rows.size, : columns.size, 1:] * (slices * rows * columns)[..., None]
        result[(slice(None), *inside)] += np.moveaxis(found, -1, 0)
    return result


def fitting_window(
    network: keras.Model, architecture: Architecture, size: Size, window: Size, megabytes: int = DEFAULT_MB
) -> Size:
    """The window for a volume: at most `window`, made smaller until the outputs of all layers take `megabytes`.

    A 2D network gets as many slices as fit. If one doesn't, and for a 3D network, the longest axis is halved. Rows,
    columns, and a 3D network's slices keep two multiples of what the network needs, so that windows can overlap.
    """
    multiple = architecture.multiple
    whole = [_up(voxels, step) for voxels, step in zip(size, multiple, strict=True)]
    least = [min(pair) for pair in zip(whole, [2 * step for step in multiple], strict=True)]
    length = [
        min(most, max(low, _up(voxels, step)))
        for most, low, voxels, step in zip(whole, least, window, multiple, strict=True)
    ]
    layers = keras.Model(network.inputs, [layer.output for layer in network.layers])
    axes = range(3) if architecture.volumetric else range(1, 3)

    def inputs_that_fit() -> int:
        shapes = layers.compute_output_shape((1, *(length[axis] for axis in axes), architecture.channels))
        return int(megabytes * 1_000_000 // (BYTES_OF_A_VALUE * sum(map(math.prod, shapes))))

    while not inputs_that_fit() and any(length[axis] > least[axis] for axis in axes):
        axis = max((length[axis], axis) for axis in axes if length[axis] > least[axis])[1]
        length[axis] = max(_up(length[axis] // 2, multiple[axis]), least[axis])
    if not architecture.volumetric:
        length[0] = max(min(window[0], size[0], inputs_that_fit()), 1)
    return length[0], length[1], length[2]


class _Place(NamedTuple):
    """Where a window begins along an axis, and the share that it has in each voxel that it covers."""

    start: int
    weights: FloatArray


def _places(whole: int, part: int, multiple: int, blended: bool) -> list[_Place]:
    """The windows along an axis; their shares in each voxel add up to 1.

    Each begins at a multiple of what the network needs, so that it pools the same voxels as in the whole volume.
    """
    last = _up(whole, multiple) - part
    step = max(_up(part // OVERLAP, multiple), multiple) if blended else part
    starts = [*range(0, last, step), last]
    shares = np.zeros((len(starts), whole))
    for share, start in zip(shares, starts, strict=True):
        inside = share[start : start + part]
        inside[:] = _bell(part, start > 0, start < last)[: len(inside)] if blended else 1
    shares /= shares.sum(axis=0)
    return [
        _Place(start, share[start : start + part].astype(np.float32))
        for share, start in zip(shares, starts, strict=True)
    ]


def _bell(part: int, before: bool, after: bool) -> FloatArray:
    """The weights of a window along an axis, before they are made to add up to 1.

    Args:
        part: The window's length.
        before: Whether another window comes before it; the margin at that end isn't used then.
        after: The same for the other end.
    """
    voxels = np.arange(part)
    bell: FloatArray = np.exp(-0.5 * ((voxels - (part - 1) / 2) / (part / BLUR)) ** 2)
    margin = part // MARGIN
    bell[: margin * before] = 0
    bell[part - margin * after :] = 0
    return bell


def _softmax(network: keras.Model, architecture: Architecture, block: FloatArray) -> FloatArray:
    """Probabilities `[s, h, w, classes]` of one window."""
    logits = network.predict_on_batch(block[None])[0] if architecture.volumetric else network.predict_on_batch(block)
    return np.asarray(ops.convert_to_numpy(ops.softmax(logits)), np.float32)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
