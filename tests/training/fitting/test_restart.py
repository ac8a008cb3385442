import keras
import numpy as np
import pytest
from scipy.stats import entropy

from training.data.examples import Examples
from training.data.targets import ClassSets
from training.fitting.losses import focal_loss, ordinal_loss, set_loss
from training.fitting.restart import BadStart, StartCheck, best_start, constant_guess, tolerance

pytestmark = pytest.mark.slow


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


def test_only_the_first_epoch_is_checked():
    check = StartCheck(0.6)
    check.on_epoch_end(0, {"loss": 0.6})
    check.on_epoch_end(1, {"loss": 0.7})
    for loss in (0.61, float("nan")):
        with pytest.raises(BadStart, match="after the first epoch"):
            check.on_epoch_end(0, {"loss": loss})


def test_few_exams_are_allowed_more_noise():
    """A loss of 0.704 on 72 exams of two classes is no bad start; on thousands it is."""
    assert np.log(2) + tolerance(72, 2) > 0.704 > np.log(2) + tolerance(5000, 2)
    assert tolerance(24, 2) > tolerance(72, 2) > tolerance(761, 2) > 0
    assert tolerance(72, 4) == pytest.approx(3 * tolerance(72, 2))


def test_who_learns_nothing_but_shares_stays_within_the_tolerance():
    """The online learner of Krichevsky and Trofimov, on shuffled labels of one class in four or in two."""
    random = np.random.default_rng(0)
    for classes, exams in ((2, 24), (2, 72), (2, 761), (4, 72), (4, 761)):
        costs = []
        for _ in range(20):
            counts, cost = np.full(classes, 0.5), 0.0
            labels = random.permutation(np.arange(exams) % classes)
            for label in labels:
                cost -= np.log(counts[label] / counts.sum())
                counts[label] += 1
            costs.append(cost / exams)
        assert np.log(classes) < np.mean(costs) < np.log(classes) + tolerance(exams, classes)


def asked(bias_only: bool) -> StartCheck:
    """A check of a network that sees its exams, or whose only units are silent."""
    random = np.random.default_rng(0)
    check = StartCheck(
        1.0, Examples(random.random((20, 3, 4, 4)).astype(np.float32), ClassSets(np.eye(2)[[0, 1] * 10]), np.ones(20))
    )
    network = keras.Sequential([keras.Input((3, 4, 4)), keras.layers.Flatten(), keras.layers.Dense(2)])
    if bias_only:
        network.layers[-1].set_weights([np.zeros((48, 2)), np.array([0.3, -0.2])])
    check.set_model(network)
    return check


def test_a_network_that_answers_every_exam_alike_is_a_bad_start_whatever_its_loss():
    asked(bias_only=False).on_epoch_end(0, {"loss": 0.7})
    asked(bias_only=True).on_epoch_end(1, {"loss": 0.7})
    with pytest.raises(BadStart, match="predicts the same for every exam"):
        asked(bias_only=True).on_epoch_end(0, {"loss": 0.1})


def test_of_bad_starts_the_best_goes_on():
    assert best_start([(7, 0.9), (8, 0.71), (9, float("nan")), (10, 0.72)]) == 8
    with pytest.raises(ValueError, match="each of 2 starts ended in losses that aren't finite numbers"):
        best_start([(7, float("nan")), (8, float("inf"))])
