"""What a frozen trunk makes of exams, on disk, computed once: features averaged over space, or whole grids.

A file's name is a digest of the network input's name (pixels and recipe), of the trunk and of its weights, so that a
change never meets old features, and a run that was killed goes on with the exams it lacks. Augmented copies aren't
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

# Part of every file's name: raise it when the same trunk makes something else of the same slices.
VERSION = 1
# Slices in one forward pass; on a CPU, more is not faster.
BATCH = 32
Item = TypeVar("Item")


def cached_features(
    network: keras.Model, trunk: Trunk, slices: CachedInputs, folder: Path, batch: int = BATCH
) -> list[FloatArray]:
    """Each exam's features `[S, C]`, averaged over space, in order; those that `folder` lacks are computed first.

    network: what `build_trunk` made of `trunk`, with its weights, for slices of the arrays' size.
    """
    kept = _cached(averaged(network), _digest(network, repr((VERSION, trunk.name, trunk.cut))), slices, folder, batch)
    return [np.load(path) for path in kept.paths]


def cached_frozen(
    below: keras.Model, what: str, slices: CachedInputs, folder: Path, batch: int = BATCH
) -> CachedInputs:
    """Each exam's grids `[S, h, w, C]` as `below` makes them, opened as they are asked for; what: names the network."""
    return _cached(below, _digest(below, repr((VERSION, "grids", what))), slices, folder, batch)


def averaged(network: keras.Model) -> keras.Model:
    """The network with its grid averaged over space: `[n, H, W]` -> `[n, C]`."""
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
    """What the network makes of each exam's slices `[S, H, W]`, `[S, ...]`, as they are done.

    Batches run across exams, so that each is full; the last one is filled up with black, for one shape throughout.
    """
    batches = _ahead(_batches(exams, batch))
    rows = (row for filled, count in batches for row in network.predict_on_batch(filled)[:count])
    for slices in with_progress(exams, "features") if len(exams) else ():
        yield np.stack(list(islice(rows, len(slices))))


def _batches(exams: Sequence[FloatArray], batch: int) -> Iterator[tuple[FloatArray, int]]:
    """All slices in order as `[batch, H, W]`, and how many of them are slices."""
    rest: FloatArray | None = None
    for slices in exams:
        rest = np.asarray(slices) if rest is None else np.concatenate([rest, slices])
        while len(rest) >= batch:
            yield rest[:batch], batch
            rest = rest[batch:]
    if rest is not None and len(rest):
        yield np.pad(rest, ((0, batch - len(rest)), (0, 0), (0, 0))), len(rest)


def _ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items, the next one made in a thread while one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        iterator = iter(items)
        coming = thread.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield item


def _digest(network: keras.Model, what: str) -> str:
    """Of the network's name, layer sizes and weights; where they came from doesn't matter."""
    digest = hashlib.sha256(what.encode())
    for weight in network.get_weights():
        digest.update(repr(weight.shape).encode() + np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
