"""Copies of rare exams: as many as it takes, each changed otherwise, the same for every fold and epoch."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.augment import Augmentation
from data_prep.prepare.cache import CachedInputs
from tests.training.tiny import paths_of
from training.data.copies import with_copies
from training.data.examples import Examples
from training.data.targets import ClassSets

TURNED = Augmentation(rotation_degrees=20.0)
HEALTHY, TORN = [1.0, 0.0], [0.0, 1.0]


@pytest.fixture
def examples(tmp_path) -> Examples:
    """Seven healthy knees and two torn ones, of noise; an exam's weight is its number."""
    paths = []
    for exam in range(9):
        paths.append(tmp_path / f"{exam:064x}.npy")
        np.save(paths[-1], np.random.default_rng(exam).random((3, 16, 16), np.float32))
    allowed = np.array([HEALTHY] * 7 + [TORN] * 2, np.float32)
    return Examples(CachedInputs(tuple(paths)), ClassSets(allowed), np.arange(9, dtype=np.float32))


def test_rare_exams_come_about_as_often_as_common_ones_and_keep_label_and_weight(examples):
    more = with_copies(examples, TURNED)
    assert more.weights.tolist() == [*range(7), *[7] * 4, *[8] * 4]
    assert more.allowed.sum(axis=0).tolist() == [7, 8]
    assert all(
        (label == TORN) == (weight > 6) for label, weight in zip(more.allowed.tolist(), more.weights, strict=True)
    )


def test_exams_stay_as_they_are_and_every_copy_is_another(examples):
    more = with_copies(examples, TURNED)
    assert paths_of(more.inputs)[:7] == paths_of(examples.inputs)[:7]
    assert (paths_of(more.inputs)[7], paths_of(more.inputs)[11]) == paths_of(examples.inputs)[7:]
    arrays = [np.asarray(slices) for slices in more.inputs]
    assert len({slices.tobytes() for slices in arrays}) == len(arrays) == 15
    assert all(slices.shape == (3, 16, 16) and slices.dtype == np.float32 for slices in arrays)
    assert all(slices.min() >= 0 and slices.max() <= 1 for slices in arrays)


def test_a_copy_shows_the_same_knee(examples):
    """Turned by less than a degree: noise is smoothed, and stays where it is."""
    more = with_copies(examples, Augmentation(rotation_degrees=0.5))
    for exam, copies in ((7, slice(8, 11)), (8, slice(12, 15))):
        for copy in more.inputs[copies]:
            inner = (slice(None), slice(2, -2), slice(2, -2))
            assert np.corrcoef(copy[inner].ravel(), examples.inputs[exam][inner].ravel())[0, 1] > 0.9


def test_a_fold_finds_the_copies_of_another(examples, tmp_path):
    made = set(paths_of(with_copies(examples, TURNED).inputs))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fold = [0, 1, 2, 3, 8]
    part = replace(
        examples,
        inputs=CachedInputs(tuple(paths_of(examples.inputs)[exam] for exam in fold)),
        targets=examples.targets.take(fold),
        weights=examples.weights[fold],
    )
    assert set(paths_of(with_copies(part, TURNED).inputs)) < made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_other_changes_make_other_copies(examples):
    changes = TURNED, Augmentation(gamma=0.5)
    one, other = (set(paths_of(with_copies(examples, each).inputs)) for each in changes)
    assert one & other == set(paths_of(examples.inputs))
