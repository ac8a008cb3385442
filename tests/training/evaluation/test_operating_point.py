"""The operating point reaches its target on unseen exams, and says which exams its rates are of."""

import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from training.evaluation.operating_point import chosen_point, rates
from training.evaluation.validation import Validated


def held_out(injured: np.ndarray, healthy: np.ndarray) -> Validated:
    """Binary validation exams with these probabilities of unhealthy."""
    probability = np.concatenate([injured, healthy])
    allowed = np.zeros((len(probability), 2), bool)
    allowed[: len(injured), 1] = allowed[len(injured) :, 0] = True
    return Validated(allowed, np.column_stack([1 - probability, probability]), np.zeros(allowed.shape))


def test_a_threshold_worked_out_by_hand():
    """Of 39 injured exams, 38 must be positive for 38 / 40 of unseen ones; two of 20 healthy ones are, too."""
    point = chosen_point(held_out(np.arange(1, 40) / 50, np.repeat([0.01, 0.5], [18, 2])), 0.95, "", "phantom")
    assert point.threshold == pytest.approx(2 / 50)
    (chosen,) = point.known
    assert (chosen.sensitivity.value, chosen.sensitivity.exams) == (pytest.approx(38 / 39), 39)
    assert (chosen.specificity.value, chosen.specificity.exams) == (pytest.approx(18 / 20), 20)
    assert "which this threshold, the epoch and the temperature were chosen on" in chosen.sensitivity.measured_on


def test_exams_that_may_be_either_dont_count():
    _, strain, partial, complete = FOUR_CLASS.classes
    labels = [{"healthy"}] * 20 + [{strain, partial}] * 30 + [{"healthy", strain}] * 40 + [{complete}] * 9
    allowed = np.stack([FOUR_CLASS.members(label) for label in labels]) > 0
    probabilities = np.tile([0.4, 0.3, 0.2, 0.1], (len(labels), 1))
    point = chosen_point(Validated(allowed, probabilities, np.zeros(allowed.shape)), 0.9, "", "phantom")
    assert point.threshold == pytest.approx(0.6)
    assert (point.known[0].sensitivity.exams, point.known[0].specificity.exams) == (39, 20)
    assert point.is_positive(np.array([0.4, 0.1, 0.1, 0.4]))
    assert not point.is_positive(np.array([0.41, 0.59, 0, 0]))


@pytest.mark.parametrize(("injured", "doubt", "reason"), [(18, "", "18 injured exams"), (40, "too hot", "too hot")])
def test_without_enough_exams_or_calibration_there_is_no_point(injured, doubt, reason, capsys):
    assert chosen_point(held_out(np.ones(injured), np.zeros(30)), 0.95, doubt, "phantom") is None
    assert f"no operating point: {'split ' if not doubt else ''}" in (said := capsys.readouterr().err)
    assert reason in said


def test_rates_are_of_the_two_sides():
    truth, probability = np.array([True, True, False, False, False]), np.array([0.9, 0.2, 0.8, 0.1, 0.2])
    found = rates(truth, probability, 0.5, "toy exams")
    assert (found.sensitivity.value, found.specificity.value) == (1 / 2, pytest.approx(2 / 3))
    assert found.specificity.measured_on == "healthy ones of toy exams"
