import numpy as np
import pytest

from models.calibration import Calibration, fit_temperature


def test_a_known_temperature_is_found_again():
    """Labels drawn from softmax(logits / 2.5) are likeliest under a temperature of 2.5."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 4, (20_000, 3))
    probabilities = Calibration(2.5).probabilities(logits)
    drawn = (random.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(logits, np.eye(3)[drawn]) == pytest.approx(2.5, rel=0.05)


def test_probabilities_sum_to_one_even_for_huge_logits():
    probabilities = Calibration(0.5).probabilities(np.array([[1e4, -1e4], [3.0, 3.0]], np.float32))
    assert probabilities.tolist() == [[1, 0], [0.5, 0.5]]


def test_a_label_that_allows_everything_says_nothing():
    logits = np.random.default_rng(0).normal(size=(500, 2))
    sure = np.eye(2)[logits.argmax(axis=1)]
    with_vague = fit_temperature(np.tile(logits, (2, 1)), np.concatenate([sure, np.ones((500, 2))]))
    assert with_vague == pytest.approx(fit_temperature(logits, sure), rel=1e-3)
