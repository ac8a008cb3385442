"""Histograms of pixels give the figures that scikit-learn gives for the pixels themselves."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import f1_score, roc_auc_score

from training.evaluation.pixels import BINS, LEVELS, PixelFigures, dice_by_level, histogram


def pixels(seed: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities on levels of a histogram that no bin's edge touches, with many ties, and the truth."""
    random = np.random.default_rng(seed)
    probability = (4 * np.rint(random.beta(0.4, 1.5, count) * 249) + 1) / 1000
    return probability.astype(np.float32), random.random(count) < probability**2


def figures(*seeds: int) -> PixelFigures:
    return PixelFigures(np.sum([histogram(*pixels(seed)) for seed in seeds], axis=0)[None].astype(float))


def test_the_auc_is_scikit_learns():
    probability, truth = pixels(1)
    assert figures(1).auc()[0] == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)


def test_pixels_of_several_exams_are_counted_together():
    (first, of_first), (second, of_second) = pixels(1), pixels(2)
    expected = roc_auc_score(np.concatenate([of_first, of_second]), np.concatenate([first, second]))
    assert figures(1, 2).auc()[0] == pytest.approx(expected, abs=1e-12)


def test_the_calibration_curve_is_scikit_learns():
    probability, truth = pixels(3)
    confidence, accuracy, count = (part[0] for part in figures(3).curve())
    shares, means = calibration_curve(truth, probability, n_bins=BINS)
    filled = count > 0
    assert np.allclose(confidence[filled], means, atol=1e-6)
    assert np.allclose(accuracy[filled], shares, atol=1e-12)
    assert count.sum() == len(truth)


def test_the_calibration_error_is_the_mean_gap_computed_by_hand():
    sure = np.array([0.9] * 10 + [0.1] * 30, np.float32)
    truth = np.array([True] * 6 + [False] * 4 + [True] * 3 + [False] * 27)
    made = PixelFigures(histogram(sure, truth)[None].astype(float))
    assert made.calibration_error()[0] == pytest.approx((10 * 0.3 + 30 * 0.0) / 40, abs=1e-6)


def test_pixels_of_one_kind_have_no_auc():
    assert np.isnan(PixelFigures(histogram(np.float32([0.2, 0.4]), np.zeros(2, bool))[None].astype(float)).auc()[0])


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_dice_at_a_threshold_is_scikit_learns_f1(threshold):
    probability, truth = pixels(4)
    dice = dice_by_level(histogram(probability, truth))[round(threshold * (LEVELS - 1))]
    assert dice == pytest.approx(f1_score(truth, probability >= np.float32(threshold)))


def test_two_empty_masks_agree():
    dice = dice_by_level(histogram(np.float32([0.2, 0.3]), np.zeros(2, bool)))
    assert dice[200] == 0  # one pixel of 0.2 is found, but nothing is there
    assert dice[301] == 1
