"""Masks that readers draw or a localiser makes: runs of pixels in JSON and in the database, and arrays.

A run is a first pixel and a number of pixels; pixels are counted from 0, row by row. Runs cost little to check: nothing
is allocated that is larger than what was sent.
"""

import json
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.contract.json_text import dumps
from app.contract.schemas import SliceMask
from data_prep.errors import MalformedInput

Mask = npt.NDArray[np.bool_]
# A mask that was packed here comes from a body of at most this many bytes, so unpacking is limited to it.
MOST_BYTES = 1 << 20


def check(mask: Sequence[SliceMask], shape: tuple[int, int, int]) -> None:
    """Check that a mask fits a volume.

    Args:
        mask: The mask.
        shape: Slices, rows and columns of the volume.

    Raises:
        MalformedInput: It doesn't.
    """
    slices, rows, columns = shape
    if len({one.slice for one in mask}) < len(mask):
        raise MalformedInput("mask: a slice occurs twice.")
    for one in mask:
        if one.slice >= slices:
            raise MalformedInput(f"mask: there is no slice {one.slice}; the volume has slices 0 to {slices - 1}.")
        _check_runs(one, rows * columns)


def _check_runs(one: SliceMask, pixels: int) -> None:
    if len(one.runs) % 2:
        raise MalformedInput(f"mask: the runs of slice {one.slice} aren't pairs of numbers.")
    free = 0
    for start, length in zip(one.runs[::2], one.runs[1::2], strict=True):
        if start < free or length < 1:
            raise MalformedInput(f"mask: the runs of slice {one.slice} aren't in order, or one of them is empty.")
        if start + length > pixels:
            raise MalformedInput(f"mask: a run of slice {one.slice} ends beyond the slice, which has {pixels} pixels.")
        free = start + length + 1


def packed(mask: Sequence[SliceMask]) -> bytes | None:
    """A mask for the database; None if nothing is drawn."""
    slices = {one.slice: one.runs for one in sorted(mask, key=lambda one: one.slice)}
    return zlib.compress(dumps(slices).encode()) if slices else None


def unpacked(content: bytes | None) -> list[SliceMask]:
    """A mask from the database, in the order of its slices."""
    text = zlib.decompressobj().decompress(content, MOST_BYTES) if content else b"{}"
    return [SliceMask(slice=int(index), runs=runs) for index, runs in json.loads(text).items()]


def drawn(mask: Sequence[SliceMask], shape: tuple[int, int, int]) -> Mask:
    """A mask that fits a volume, as bool `[slices, rows, columns]`.

    Args:
        mask: The mask.
        shape: Slices, rows and columns of the volume.
    """
    array = np.zeros(shape, np.bool_)
    for one in mask:
        pixels = array[one.slice].reshape(-1)
        for start, length in zip(one.runs[::2], one.runs[1::2], strict=True):
            pixels[start : start + length] = True
    return array


def runs_of(array: Mask) -> list[SliceMask]:
    """The mask of an array `[slices, rows, columns]`: the inverse of `drawn`."""
    found = []
    for index in np.flatnonzero(array.any(axis=(1, 2))):
        edges = np.flatnonzero(np.diff(array[index].reshape(-1).astype(np.int8), prepend=0, append=0))
        runs = np.stack([edges[::2], edges[1::2] - edges[::2]], axis=1)
        found.append(SliceMask(slice=int(index), runs=runs.reshape(-1).tolist()))
    return found
