"""Which exams a class's full brightness is measured on, and when there are too few of them."""

import numpy as np
import pytest

from data_prep.labels import BINARY, FOUR_CLASS
from training.runs.colour_scale import FEWEST_EXAMS, QUANTILE, scale_of


def allowed(scheme, *labels: set[str]) -> np.ndarray:
    return np.stack([scheme.members(label) for label in labels]) > 0


def test_an_injury_is_measured_on_injured_knees_and_health_on_healthy_ones():
    labels = [{"healthy"}] * 20 + [{"unhealthy"}] * 30
    found = np.column_stack([np.arange(50.0) + 1, 100 + np.arange(50.0)])
    scale = scale_of(found, allowed(BINARY, *labels), BINARY)
    assert scale.exams == {"healthy": 20, "unhealthy": 30}
    assert scale.full_brightness["unhealthy"] == pytest.approx(np.quantile(np.arange(120, 150), QUANTILE))
    assert scale.full_brightness["healthy"] == pytest.approx(np.quantile(np.arange(1, 21), QUANTILE))


def test_a_class_counts_the_exams_whose_label_allows_it():
    _, strain, partial, complete = FOUR_CLASS.classes
    labels = [{"healthy"}] * 12 + [{partial, complete}] * 9 + [{complete}] * 6 + [{strain}] * 3
    labels += [set(FOUR_CLASS.classes)] * 40  # says nothing
    found = np.ones((len(labels), 4))
    scale = scale_of(found, allowed(FOUR_CLASS, *labels), FOUR_CLASS)
    assert scale.exams == {"healthy": 12, complete: 15}


@pytest.mark.parametrize("injured", [0, 1, FEWEST_EXAMS - 1])
def test_of_few_injured_exams_there_is_no_scale(injured):
    labels = [{"healthy"}] * 50 + [{"unhealthy"}] * injured
    assert scale_of(np.ones((len(labels), 2)), allowed(BINARY, *labels), BINARY) is None


def test_maps_that_say_nothing_make_no_scale():
    labels = [{"healthy"}] * 20 + [{"unhealthy"}] * 20
    assert scale_of(np.zeros((40, 2)), allowed(BINARY, *labels), BINARY) is None
