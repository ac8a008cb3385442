import dataclasses

import numpy as np
import pytest

from data_prep.augment import Augmentation
from data_prep.exams import read_exams
from data_prep.exams.load import load_exam
from data_prep.labels import BINARY
from data_prep.preprocess import Recipe
from data_prep.workers import Workers
from training.arrays import Batches, Examples, prepare

RECIPE = Recipe((30.0, 48.0, 48.0), (48, 48))


def numbered(lengths: list[int]) -> Examples:
    """Exams whose every pixel tells exam and slice: 10 x exam + slice."""
    slices = [np.full((length, 2, 2), 10.0 * exam, np.float32) for exam, length in enumerate(lengths)]
    for planes in slices:
        planes += np.arange(len(planes), dtype=np.float32)[:, None, None]
    return Examples(slices, np.eye(2, dtype=np.float32)[np.arange(len(lengths)) % 2], np.ones(len(lengths), np.float32))


def test_shorter_exams_repeat_their_last_slice():
    exams, allowed, weights = Batches(numbered([3, 5]), 2, None, seed=0)[0]
    assert exams[0, :, 0, 0].tolist() == [0, 1, 2, 2, 2]
    assert exams[1, :, 0, 0].tolist() == [10, 11, 12, 13, 14]
    assert allowed.tolist() == [[1, 0], [0, 1]]
    assert weights.tolist() == [1, 1]


def test_every_exam_comes_once_an_epoch_in_another_order():
    batches = Batches(numbered([1] * 7), 2, Augmentation(), seed=0)
    orders = []
    for _ in range(2):
        orders.append([int(exam[0, 0, 0] // 10) for index in range(len(batches)) for exam in batches[index][0]])
        batches.on_epoch_end()
    assert [sorted(order) for order in orders] == [list(range(7))] * 2
    assert orders[0] != orders[1]


def test_draws_depend_on_seed_epoch_and_exam_only():
    slices = [np.random.default_rng(exam).random((2, 16, 16), np.float32) for exam in range(3)]
    examples = Examples(slices, np.eye(2, dtype=np.float32)[[0, 1, 0]], np.ones(3, np.float32))
    augmentation = Augmentation(rotation_degrees=20)
    first, again, other = (Batches(examples, 3, augmentation, seed)[0][0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_crops_on_the_ligament_hold_it(knees, tmp_path):
    exams = read_exams(knees / "exams.csv")[:4]
    crops = prepare(exams, BINARY, RECIPE, tmp_path, Workers(1), on_ligament=True).slices
    for exam, crop in zip(exams, crops, strict=True):
        volume = load_exam(exam)
        with np.load(exam.mask) as truth:
            ligament, centre = truth["acl"], tuple(truth["box"].mean(axis=1))
        expected, place = RECIPE.apply(volume, centre)
        assert np.array_equal(crop, expected)
        inside = ligament[slice(*place.slices), slice(*place.rows), slice(*place.columns)]
        assert inside.sum() > 0.95 * ligament.sum()


def test_an_exam_without_label_or_truth_is_named(knees, tmp_path):
    (exam, *_) = read_exams(knees / "exams.csv")
    with pytest.raises(ValueError, match=f"exam {exam.exam_id} has no binary label"):
        prepare([dataclasses.replace(exam, binary=frozenset())], BINARY, RECIPE, tmp_path, Workers(1))
    with pytest.raises(ValueError, match=f"exam {exam.exam_id} has no box or mask"):
        prepare(
            [dataclasses.replace(exam, box=None, mask=None)], BINARY, RECIPE, tmp_path, Workers(1), on_ligament=True
        )
