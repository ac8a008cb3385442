import dataclasses

import numpy as np
import pytest

from data_prep.augment import Augmentation
from data_prep.labels import BINARY
from data_prep.network_input.crop import crop
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from tests.training.tiny import paths_of
from training.data.batches import Batches
from training.data.examples import Examples, check_slices, prepare, unseen_classes
from training.data.targets import ClassSets, rarity

RECIPE = Recipe((30.0, 48.0, 48.0), (48, 48))


def numbered(lengths: list[int]) -> Examples:
    """Exams whose every pixel tells exam and slice: 10 x exam + slice."""
    slices = [np.full((length, 2, 2), 10.0 * exam, np.float32) for exam, length in enumerate(lengths)]
    for planes in slices:
        planes += np.arange(len(planes), dtype=np.float32)[:, None, None]
    return Examples(
        slices, ClassSets(np.eye(2, dtype=np.float32)[np.arange(len(lengths)) % 2]), np.ones(len(lengths), np.float32)
    )


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
    examples = Examples(slices, ClassSets(np.eye(2, dtype=np.float32)[[0, 1, 0]]), np.ones(3, np.float32))
    augmentation = Augmentation(rotation_degrees=20)
    first, again, other = (Batches(examples, 3, augmentation, seed)[0][0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def textured(sets: list[list[float]]) -> Examples:
    """Exams of noise, whose rows of `allowed` are `sets`."""
    slices = [np.random.default_rng(exam).random((2, 16, 16), np.float32) for exam in range(len(sets))]
    return Examples(slices, ClassSets(np.array(sets, np.float32)), np.arange(len(sets), dtype=np.float32))


def shown(batches: Batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A whole epoch's slices, allowed classes and weights; `textured` exams have their number as weight."""
    slices, allowed, weights = zip(*(batches[index] for index in range(len(batches))), strict=True)
    return np.concatenate(slices), np.concatenate(allowed), np.concatenate(weights)


def test_without_oversampling_order_and_draws_are_what_they_always_were():
    """Written out, since a published bundle was trained so: one key for the order, one for each exam."""
    examples, augmentation = textured([[1, 0], [0, 1], [1, 0], [1, 1], [1, 0]]), Augmentation(20.0, gamma=0.2)
    batches = Batches(examples, 2, augmentation, seed=3)
    for epoch in range(2):
        order = np.random.default_rng((3, epoch)).permutation(5)
        slices, allowed, weights = shown(batches)
        assert weights.tolist() == order.tolist()
        assert np.array_equal(allowed, examples.allowed[order])
        for exam, seen in zip(order, slices, strict=True):
            expected = augmentation.apply(examples.inputs[exam], np.random.default_rng((3, epoch, exam)))
            assert np.array_equal(seen, expected)
        batches.on_epoch_end()


RARE = [[1, 0]] * 7 + [[0, 1]] * 2 + [[1, 1]] * 3


@pytest.mark.parametrize("augmentation", [None, Augmentation(rotation_degrees=20)])
def test_oversampled_label_sets_come_equally_often(augmentation):
    batches = Batches(textured(RARE), 4, augmentation, seed=0, oversample=True)
    for _ in range(2):
        _, allowed, weights = shown(batches)
        rows, counts = np.unique(allowed, axis=0, return_counts=True)
        assert rows.tolist() == [[0, 1], [1, 0], [1, 1]]
        assert counts.tolist() == [7, 7, 7]
        times = np.bincount(weights.astype(int), minlength=12)
        assert times[:7].tolist() == [1] * 7
        assert sorted(times[7:9]) == [3, 4]
        assert sorted(times[9:]) == [2, 2, 3]
        assert (np.diff(weights) < 0).any()  # sets and exams are mixed
        batches.on_epoch_end()
    assert len(batches) == 6


def test_every_repetition_is_a_fresh_draw_and_the_first_one_is_the_usual():
    examples, augmentation = textured(RARE), Augmentation(rotation_degrees=20)
    slices, _, weights = shown(Batches(examples, 4, augmentation, seed=5, oversample=True))
    again, _, _ = shown(Batches(examples, 4, augmentation, seed=5, oversample=True))
    assert np.array_equal(slices, again)
    for exam in range(len(RARE)):
        usual = augmentation.apply(examples.inputs[exam], np.random.default_rng((5, 0, exam)))
        seen = slices[weights == exam]
        assert sum(np.array_equal(one, usual) for one in seen) == 1
        assert len(np.unique(seen, axis=0)) == len(seen)


def test_which_exams_come_once_more_changes_from_epoch_to_epoch():
    batches = Batches(textured([[1, 0]] * 4 + [[0, 1]] * 3), 7, None, seed=0, oversample=True)
    favoured = set()
    for _ in range(40):
        _, _, weights = shown(batches)
        favoured.add(int(np.bincount(weights.astype(int)).argmax()))
        batches.on_epoch_end()
    assert favoured == {4, 5, 6}


def test_equally_common_sets_are_not_repeated():
    _, _, weights = shown(Batches(textured([[1, 0], [0, 1]] * 3), 2, None, seed=0, oversample=True))
    assert sorted(weights) == list(range(6))


@pytest.mark.slow
def test_crops_on_the_ligament_hold_it(knees, tmp_path):
    exams = read_exams(knees / "exams.csv")[:4]
    crops = prepare(exams, BINARY, RECIPE, tmp_path, Workers(1), around="ligament").inputs
    for exam, found in zip(exams, crops, strict=True):
        volume = load_exam(exam)
        with np.load(exam.mask) as truth:
            ligament, box = truth["acl"], tuple(map(tuple, truth["box"].tolist()))
        expected, place = crop(volume.voxels, volume.spacing_mm, RECIPE, box)
        assert np.array_equal(found, expected)
        inside = ligament[slice(*place.slices), slice(*place.rows), slice(*place.columns)]
        assert inside.sum() > 0.95 * ligament.sum()


def test_an_exam_without_label_or_truth_is_named(knees, tmp_path):
    (exam, *_) = read_exams(knees / "exams.csv")
    with pytest.raises(ValueError, match=f"exam {exam.exam_id} has no binary label"):
        prepare([dataclasses.replace(exam, binary=frozenset())], BINARY, RECIPE, tmp_path, Workers(1))
    with pytest.raises(ValueError, match=f"exam {exam.exam_id} has no box or mask"):
        prepare(
            [dataclasses.replace(exam, box=None, mask=None)], BINARY, RECIPE, tmp_path, Workers(1), around="ligament"
        )


def test_a_label_of_another_scheme_is_named(knees, tmp_path):
    (exam, *_) = read_exams(knees / "exams.csv")
    with pytest.raises(ValueError, match=rf"exam {exam.exam_id}: no class torn in scheme binary"):
        prepare([dataclasses.replace(exam, binary=frozenset({"torn"}))], BINARY, RECIPE, tmp_path, Workers(1))


@pytest.mark.parametrize(
    ("slices", "reason"),
    [
        (np.zeros((3, 48, 40)), r"exam A7: its array is \[3, 48, 40\], but the recipe makes \[S, 48, 48\]"),
        (np.zeros((48, 48)), r"exam A7: its array is \[48, 48\]"),
        (np.zeros((0, 48, 48)), r"exam A7: its array is \[0, 48, 48\]"),
        (np.full((3, 48, 48), np.nan), "exam A7: .* aren't finite numbers"),
        (np.full((3, 48, 48), np.inf), "exam A7: .* aren't finite numbers"),
    ],
)
def test_an_array_that_will_not_do_is_named(slices, reason):
    with pytest.raises(ValueError, match=reason):
        check_slices("A7", slices.astype(np.float32), (48, 48))


def test_a_damaged_array_is_found_before_the_first_step(knees, tmp_path):
    exams = read_exams(knees / "exams.csv")[:2]
    arrays = prepare(exams, BINARY, RECIPE, tmp_path, Workers(1)).inputs
    np.save(paths_of(arrays)[1], np.zeros((4, 48, 49), np.float32))
    with pytest.raises(ValueError, match=f"exam {exams[1].exam_id}: its array is"):
        prepare(exams, BINARY, RECIPE, tmp_path, Workers(1))


def test_classes_without_any_exam_are_named(knees):
    exams = [exam for exam in read_exams(knees / "exams.csv") if exam.binary == {"healthy"}]
    assert unseen_classes(exams, BINARY) == ["unhealthy"]
    either = dataclasses.replace(exams[0], binary=frozenset({"healthy", "unhealthy"}))
    assert unseen_classes([*exams, either], BINARY) == []


def test_rare_label_sets_weigh_more_and_the_mean_weight_is_one():
    allowed = np.array(RARE, np.float32)
    weights = rarity(ClassSets(allowed).kinds)
    assert weights.mean() == pytest.approx(1)
    assert weights[:7].sum() == pytest.approx(4)  # each of three sets has a third of twelve
    assert weights[7:9].sum() == pytest.approx(4)
    assert weights[9:].sum() == pytest.approx(4)


def test_a_run_can_go_on_in_a_later_epoch():
    examples, augmentation = textured(RARE), Augmentation(rotation_degrees=20)
    undisturbed = Batches(examples, 4, augmentation, seed=5, oversample=True)
    undisturbed.on_epoch_end()
    undisturbed.on_epoch_end()
    resumed = Batches(examples, 4, augmentation, seed=5, oversample=True, epoch=2)
    assert all(np.array_equal(one, other) for one, other in zip(shown(undisturbed), shown(resumed), strict=True))
