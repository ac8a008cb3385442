import numpy as np
import pytest

from models.calibration import FEWEST_A_SIDE, HIGHEST, LOWEST, Calibration, Sides, fit_temperature, thin


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


def labelled(healthy: int, unhealthy: int, either: int = 0) -> np.ndarray:
    return np.array([[1.0, 0.0]] * healthy + [[0.0, 1.0]] * unhealthy + [[1.0, 1.0]] * either)


def noisy(allowed: np.ndarray, scale: float = 2.0) -> np.ndarray:
    """Logits that say more than half of it right."""
    return scale * (allowed - 0.5) + np.random.default_rng(1).normal(size=allowed.shape)


@pytest.mark.parametrize(
    ("allowed", "reason"),
    [
        (labelled(11, 0), "11 healthy, 0 unhealthy exams"),
        (labelled(0, 40), "0 healthy, 40 unhealthy exams"),
        (labelled(9, 30), "9 healthy, 30 unhealthy exams"),
        (labelled(5, 5, 90), "5 healthy, 5 unhealthy, 90 that may be either"),
        (np.eye(4)[[0] * 50 + [3] * 9], "50 healthy, 9 unhealthy exams"),
    ],
)
def test_few_or_one_sided_exams_make_no_temperature(allowed, reason):
    calibration = Calibration.fitted(noisy(allowed), allowed)
    assert calibration.temperature == 1
    assert reason in calibration.unusable
    assert calibration.doubt == calibration.unusable
    assert f"at least {FEWEST_A_SIDE} of each" in thin(allowed)


def test_a_fit_at_a_bound_is_not_used():
    """Answers that are all right are likeliest infinitely sure; all wrong, infinitely unsure."""
    allowed = labelled(20, 20, 3)
    nearly = 0.01 * allowed
    nearly[0] = nearly[0, ::-1] / 100
    for logits, reason in (
        (4 * allowed, "predicted correctly"),
        (1e-3 * allowed, "predicted correctly"),
        (nearly, "ended at its bound, temperature 0.05"),
        (-4 * allowed, "ended at its bound, temperature 20"),
    ):
        calibration = Calibration.fitted(logits, allowed)
        assert calibration.temperature == 1
        assert reason in calibration.unusable


def test_answers_that_are_no_numbers_make_no_temperature():
    allowed = labelled(20, 20)
    logits = noisy(allowed)
    logits[3] = np.nan
    assert "aren't finite numbers" in Calibration.fitted(logits, allowed).unusable


def test_enough_exams_of_both_sides_make_one():
    allowed = labelled(FEWEST_A_SIDE, FEWEST_A_SIDE)
    calibration = Calibration.fitted(noisy(allowed), allowed)
    assert calibration.doubt == ""
    assert calibration.temperature == fit_temperature(noisy(allowed), allowed)
    assert calibration.fitted_on == "20 validation exams (10 healthy, 10 unhealthy)"
    assert Sides.of(allowed) == Sides(10, 10)


@pytest.mark.parametrize("temperature", [LOWEST * 1.001, HIGHEST / 1.001])
def test_a_bundle_of_an_earlier_version_whose_fit_ended_at_a_bound_says_so(temperature):
    assert "at its bound" in Calibration(temperature, "11 validation exams").doubt
