import keras
import numpy as np
import pytest
from scipy.special import softmax

from training.fitting.losses import LOSSES, focal_loss, ordinal_loss, set_loss

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0]], np.float32)
# A distribution to do sums by hand with: healthy 0.4, minor 0.3, partial 0.2, complete 0.1.
SHARES = np.array([[0.4, 0.3, 0.2, 0.1]])


def value(loss, allowed: list[int], logits: np.ndarray = LOGITS) -> float:
    return float(np.array(loss(np.array([allowed], np.float32), logits))[0])


@pytest.mark.parametrize("allowed", [[1, 0, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]])
def test_the_loss_is_minus_log_of_the_probability_of_the_set(allowed):
    expected = -np.log(softmax(LOGITS[0])[np.array(allowed, bool)].sum())
    assert value(set_loss, allowed) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("allowed", "probability"), [([1, 0, 0, 0], 0.4), ([0, 0, 1, 1], 0.3), ([0, 1, 1, 1], 0.6)])
def test_focal_loss_worked_out_by_hand(allowed, probability):
    expected = -((1 - probability) ** 2) * np.log(probability)
    assert value(focal_loss, allowed, np.log(SHARES)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("allowed", "answers"),
    [
        # P(at least minor) = 0.6, P(at least partial) = 0.3, P(complete) = 0.1
        ([1, 0, 0, 0], [0.4, 0.7, 0.9]),
        ([0, 0, 1, 0], [0.6, 0.3, 0.9]),
        ([0, 0, 0, 1], [0.6, 0.3, 0.1]),
        ([0, 0, 1, 1], [0.6, 0.3]),  # complete or not isn't asked
        ([0, 1, 1, 1], [0.6]),
        ([1, 1, 0, 0], [0.7, 0.9]),
        ([1, 0, 0, 1], []),
    ],
)
def test_ordinal_loss_worked_out_by_hand(allowed, answers):
    assert value(ordinal_loss, allowed, np.log(SHARES)) == pytest.approx(-np.log(answers).sum(), rel=1e-5, abs=1e-6)


def test_a_grade_further_off_costs_more_only_in_the_ordinal_loss():
    near, far = np.log([[0.04, 0.9, 0.04, 0.02]]), np.log([[0.04, 0.02, 0.04, 0.9]])
    healthy = [1, 0, 0, 0]
    assert value(ordinal_loss, healthy, far) > 2 * value(ordinal_loss, healthy, near)
    assert value(set_loss, healthy, far) == pytest.approx(value(set_loss, healthy, near))


@pytest.mark.parametrize("allowed", [[1, 0], [0, 1], [1, 1]])
def test_with_two_classes_the_ordinal_loss_is_the_set_loss(allowed):
    logits = LOGITS[:, :2]
    assert value(ordinal_loss, allowed, logits) == pytest.approx(value(set_loss, allowed, logits), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_that_allows_everything_costs_nothing(name):
    assert value(LOSSES[name], [1, 1, 1, 1]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_logits_are_summed_in_float32(name):
    logits = np.array([[60000.0, -60000.0, 0.0, 1.0]], np.float16)
    allowed = np.array([[0, 1, 0, 0]], np.float32)
    loss = LOSSES[name](allowed, logits)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert np.isfinite(np.array(loss)).all()
