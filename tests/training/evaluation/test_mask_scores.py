import math

import numpy as np
import pytest

from training.evaluation.mask_scores import hausdorff_95, mask_score

SPACING = (4.0, 0.5, 1.0)


def block(*spans: tuple[int, int], shape=(3, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


TRUTH = block((0, 2), (4, 8), (5, 10))  # 2 x 4 x 5 = 40 voxels
KNOWN = np.ones(3, bool)


def test_scores_of_two_blocks_are_those_computed_by_hand():
    found = block((0, 2), (6, 10), (5, 10))  # two rows lower: 20 voxels in common
    score = mask_score(TRUTH, found, KNOWN, SPACING)
    assert score.dice == pytest.approx(2 * 20 / 80)
    assert score.iou == pytest.approx(20 / 60)
    assert (score.precision, score.recall) == (0.5, 0.5)
    assert score.counts == (20, 20, 20, 3 * 20 * 20 - 60)
    assert score.centre_mm == pytest.approx(1.0)  # two rows of 0.5 mm
    assert score.sides_mm == pytest.approx(1.0)
    assert score.hausdorff_95_mm == pytest.approx(1.0)


def test_a_larger_mask_has_full_recall_and_a_box_side_that_is_off():
    score = mask_score(TRUTH, block((0, 2), (4, 8), (5, 15)), KNOWN, SPACING)
    assert (score.precision, score.recall) == (0.5, 1.0)
    assert score.centre_mm == pytest.approx(2.5)
    assert score.sides_mm == pytest.approx(5.0)
    assert score.hausdorff_95_mm == pytest.approx(5.0)


def test_the_distance_knows_that_slices_are_thick():
    one, next_one = block((0, 1), (4, 12), (4, 12)), block((1, 2), (4, 12), (4, 12))
    assert mask_score(one, next_one, KNOWN, SPACING).hausdorff_95_mm == pytest.approx(4.0)
    assert mask_score(one, next_one, KNOWN, SPACING).dice == 0


def test_a_mask_in_one_slice_has_an_outline():
    one, other = block((1, 2), (4, 8), (4, 8)), block((1, 2), (4, 8), (7, 11))
    assert hausdorff_95(one, other, SPACING) == pytest.approx(3.0)


def test_slices_that_nobody_has_drawn_do_not_count():
    found = TRUTH.copy()
    found[2, :10] = True  # 200 voxels in a slice of which nobody knows the truth
    score = mask_score(TRUTH, found, np.array([True, True, False]), SPACING)
    assert score.dice == 1
    assert score.counts == (40, 0, 0, 2 * 400 - 40)


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        (True, False, (0.0, 0.0, math.nan, 0.0)),
        (False, True, (0.0, 0.0, 0.0, math.nan)),
        (False, False, (1.0, 1.0, math.nan, math.nan)),
    ],
)
def test_empty_masks_follow_the_stated_rules(truth, found, expected):
    score = mask_score(TRUTH & truth, TRUTH & found, KNOWN, SPACING)
    assert np.array_equal((score.dice, score.iou, score.precision, score.recall), expected, equal_nan=True)
    assert all(math.isnan(value) for value in (score.hausdorff_95_mm, score.centre_mm, score.sides_mm))
