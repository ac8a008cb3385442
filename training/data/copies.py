"""Changed copies of exams of rare label sets, kept as network inputs: augmentation for frozen features.

A copy depends only on the exam's pixels, the ranges of the changes and the copy's number, so folds and epochs share it.
Each copy is a network input on disk.
"""

import hashlib
from pathlib import Path

import numpy as np

from data_prep.augment import Augmentation
from data_prep.files import replacing
from data_prep.prepare.cache import CachedInputs
from training.data.examples import Examples

# Part of every copy's name. Raise it when `Augmentation` changes what it makes from the same draw.
VERSION = 1


def with_copies(examples: Examples, augmentation: Augmentation) -> Examples:
    """The exams and copies of the rare ones, so that each set of allowed classes comes about equally often.

    Args:
        examples: exams whose network inputs are on disk, as `prepare` makes them. Missing copies are written beside
            them.
        augmentation: the ranges of the changes.

    Returns:
        The exams in the same order, each followed by its copies.
    """
    assert isinstance(examples.inputs, CachedInputs)
    _, rows, counts = np.unique(examples.targets.kinds, return_inverse=True, return_counts=True)
    times = np.rint(counts.max() / counts[rows]).astype(int)
    paths = [
        _copy(path, augmentation, number) if number else path
        for path, count in zip(examples.inputs.paths, times, strict=True)
        for number in range(count)
    ]
    exams = np.repeat(np.arange(len(times)), times)
    return Examples(CachedInputs(tuple(paths)), examples.targets.take(exams), examples.weights[exams])


def _copy(path: Path, augmentation: Augmentation, number: int) -> Path:
    """The network input's copy of this number; made if it is missing."""
    key = hashlib.sha256(repr((VERSION, path.stem, augmentation, number)).encode()).hexdigest()
    copy = path.with_name(f"{key}.npy")
    if not copy.is_file():
        slices = augmentation.apply(np.load(path), np.random.default_rng((int(path.stem, 16), number)))
        with replacing(copy) as partial, partial.open("wb") as stream:
            np.save(stream, slices)
    return copy
