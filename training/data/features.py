"""Frozen features, computed once and kept on disk: averaged over space, or with their spatial dimensions.

A file's name is a digest of the network input's name (pixels and recipe), of the trunk and of its weights. So changed
settings never read old features, and a killed run continues with the missing exams. Randomly changed slices aren't
kept.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np

from data_prep.files import replacing
from data_prep.prepare.cache import CachedInputs
from data_prep.progress import with_progress
from data_prep.volume import FloatArray
from models.trunks import Trunk

# Part of every file's name. Raise it when the same trunk computes different features from the same slices.
VERSION = 1
# Slices in one forward pass; more isn't faster on a CPU.
BATCH = 32
Item = TypeVar("Item")


def cached_features(
    network: keras.Model, trunk: Trunk, slices: CachedInputs, folder: Path, batch: int = BATCH
) -> list[FloatArray]:
    """Each exam's features, averaged over space; those that `folder` lacks are computed first.

    Args:
        network: the network that `build_trunk` made from `trunk`, with its weights, for slices of this size.
        trunk: the trunk.
        slices: the exams' network inputs.
        folder: the folder of features.
        batch: slices in one forward pass.

    Returns:
        `[S, C]` of each exam, in order.
    """
    kept = _cached(averaged(network), _digest(network, repr((VERSION, trunk.name, trunk.cut))), slices, folder, batch)
    return [np.load(path) for path in kept.paths]


def cached_frozen(
    below: keras.Model, what: str, slices: CachedInputs, folder: Path, batch: int = BATCH
) -> CachedInputs:
    """Each exam's frozen features `[S, h, w, C]`; those that `folder` lacks are computed first.

    Args:
        below: the frozen part of a network.
        what: describes it, beside its weights.
        slices: the exams' network inputs.
        folder: the folder of frozen features.
        batch: slices in one forward pass.

    Returns:
        The files, each opened when it is used.
    """
    return _cached(below, _digest(below, repr((VERSION, "grids", what))), slices, folder, batch)


def averaged(network: keras.Model) -> keras.Model:
    """The network with its output averaged over space: `[n, H, W]` -> `[n, C]`."""
    return keras.Model(network.input, keras.layers.GlobalAveragePooling2D()(network.output))


def _cached(network: keras.Model, digest: str, slices: CachedInputs, folder: Path, batch: int) -> CachedInputs:
    paths = [folder / f"{hashlib.sha256(f'{digest} {path.stem}'.encode()).hexdigest()}.npy" for path in slices.paths]
    # Exams of equal pixels share a file.
    missing = {path: array for path, array in zip(paths, slices.paths, strict=True) if not path.is_file()}
    for path, features in zip(missing, compute(network, CachedInputs(tuple(missing.values())), batch), strict=True):
        with replacing(path) as partial, partial.open("wb") as stream:
            np.save(stream, features)
    return CachedInputs(tuple(paths))


def compute(network: keras.Model, exams: Sequence[FloatArray], batch: int = BATCH) -> Iterator[FloatArray]:
    """The network's output `[S, ...]` for each exam's slices `[S, H, W]`, one exam after the other.

    A batch may have slices of several exams, so every batch is full. The last one is filled up with black slices, so
    that all batches have the same shape.
    """
    batches = _ahead(_batches(exams, batch))
    rows = (row for filled, count in batches for row in network.predict_on_batch(filled)[:count])
    for slices in with_progress(exams, "features") if len(exams) else ():
        yield np.stack(list(islice(rows, len(slices))))


def _batches(exams: Sequence[FloatArray], batch: int) -> Iterator[tuple[FloatArray, int]]:
    """All slices in order as `[batch, H, W]`, and how many of a batch are real slices."""
    rest: FloatArray | None = None
    for slices in exams:
        rest = np.asarray(slices) if rest is None else np.concatenate([rest, slices])
        while len(rest) >= batch:
            yield rest[:batch], batch
            rest = rest[batch:]
    if rest is not None and len(rest):
        yield np.pad(rest, ((0, batch - len(rest)), *((0, 0),) * (rest.ndim - 1))), len(rest)


def _ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items; the next one is made in a thread while the current one is used."""
    with ThreadPoolExecutor(1) as thread:
        iterator = iter(items)
        coming = thread.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield item


def _digest(network: keras.Model, what: str) -> str:
    """A digest of the network's description, layer sizes and weights, whatever file they came from."""
    digest = hashlib.sha256(what.encode())
    for weight in network.get_weights():
        digest.update(repr(weight.shape).encode() + np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
