import numpy as np
import pytest
from scipy.stats import entropy

from training.losses import focal_loss, ordinal_loss, set_loss
from training.restart import BadStart, StartCheck, constant_guess


def rows(*counted: tuple[int, list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Label sets, each so many times, and weights of one."""
    allowed = np.array([row for count, row in counted for _ in range(count)], np.float32)
    return allowed, np.ones(len(allowed), np.float32)


def test_a_constant_guess_of_single_classes_costs_their_entropy():
    allowed, weights = rows((6, [1, 0, 0, 0]), (3, [0, 1, 0, 0]), (2, [0, 0, 1, 0]), (1, [0, 0, 0, 1]))
    assert constant_guess(set_loss, allowed, weights) == pytest.approx(entropy([6, 3, 2, 1]), abs=1e-3)


def test_sets_are_guessed_with_less_loss_than_single_classes():
    """Half healthy, half {partial, complete}: the best guess is a half for each set, whatever the shares within."""
    allowed, weights = rows((5, [1, 0, 0, 0]), (5, [0, 0, 1, 1]))
    assert constant_guess(set_loss, allowed, weights) == pytest.approx(np.log(2), abs=1e-3)


def test_a_common_class_of_all_sets_leaves_no_loss():
    allowed, weights = rows((5, [1, 0]), (5, [1, 1]))
    assert constant_guess(set_loss, allowed, weights) == pytest.approx(0, abs=1e-3)


def test_weights_count():
    allowed, weights = rows((9, [1, 0]), (1, [0, 1]))
    weights[9] = 9
    assert constant_guess(set_loss, allowed, weights / weights.mean()) == pytest.approx(np.log(2), abs=1e-3)


def test_other_losses_have_their_own_best_guess():
    allowed, weights = rows((5, [1, 0]), (5, [0, 1]))
    assert constant_guess(focal_loss, allowed, weights) == pytest.approx(0.25 * np.log(2), abs=1e-3)
    ends = rows((5, [1, 0, 0]), (5, [0, 0, 1]))
    assert constant_guess(ordinal_loss, *ends) == pytest.approx(2 * np.log(2), abs=1e-3)


def test_only_the_first_epoch_is_judged():
    check = StartCheck(0.6)
    check.on_epoch_end(0, {"loss": 0.6})
    check.on_epoch_end(1, {"loss": 0.7})
    for loss in (0.61, float("nan")):
        with pytest.raises(BadStart, match="after the first epoch"):
            check.on_epoch_end(0, {"loss": loss})
