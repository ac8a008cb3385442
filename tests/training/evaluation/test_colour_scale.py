"""Which exams a class's full brightness and threshold are measured on, and when there are too few of them."""

import numpy as np
import pytest

from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from models.colour_scale import ColourScale
from training.evaluation.colour_scale import CEILING, DARK, FEWEST_EXAMS, FLOOR, QUANTILE, measured_scale
from training.evaluation.validation import Validated


def scale_of(found: np.ndarray, labels: list[set[str]], scheme: LabelScheme = BINARY) -> ColourScale | None:
    allowed = np.stack([scheme.members(label) for label in labels]) > 0
    return measured_scale(Validated(allowed, np.zeros(allowed.shape), found), scheme)


def test_an_injury_is_measured_on_injured_knees_and_health_on_healthy_ones():
    labels = [{"healthy"}] * 20 + [{"unhealthy"}] * 30
    scale = scale_of(np.column_stack([np.arange(50.0) + 1, 100 + np.arange(50.0)]), labels)
    assert scale.exams == {"healthy": 20, "unhealthy": 30}
    assert scale.full_brightness["unhealthy"] == pytest.approx(np.quantile(np.arange(120, 150), QUANTILE))
    assert scale.full_brightness["healthy"] == pytest.approx(np.quantile(np.arange(1, 21), QUANTILE))


def test_the_threshold_is_measured_on_the_knees_of_the_other_side():
    """Peaks of 39 healthy knees for unhealthy: 1 to 39. The 38th is the lowest with 38 / 40 of unseen ones below it."""
    labels = [{"healthy"}] * 39 + [{"unhealthy"}] * 30
    injured = np.column_stack([np.full(30, 7.0), np.full(30, 60.0)])
    scale = scale_of(np.vstack([np.column_stack([np.full(39, 8.0), np.arange(39.0) + 1]), injured]), labels)
    assert (scale.thresholds["unhealthy"].evidence, DARK) == (38, 0.95)
    assert (scale.thresholds["unhealthy"].below, scale.thresholds["unhealthy"].exams) == (37, 39)
    assert (scale.thresholds["healthy"].evidence, scale.thresholds["healthy"].exams) == (7, 30)


def test_what_cant_be_seen_in_a_picture_is_below_the_threshold():
    labels = [{"healthy"}] * 39 + [{"unhealthy"}] * 30
    scale = scale_of(np.column_stack([np.ones(69), [0.0] * 38 + [0.3] + [1.0] * 30]), labels)
    assert scale.thresholds["unhealthy"].evidence == FLOOR
    assert scale.thresholds["unhealthy"].below == 38


def test_healthy_knees_may_have_more_evidence_than_injured_ones(capsys):
    """Then the threshold is the highest one that leaves a colour scale, and how few stay below it is told."""
    labels = [{"healthy"}] * 30 + [{"unhealthy"}] * 30
    scale = scale_of(np.column_stack([np.ones(60), [0.5] * 10 + [3.0] * 20 + [1.0] * 30]), labels)
    threshold = scale.thresholds["unhealthy"]
    assert threshold.evidence == CEILING * scale.full_brightness["unhealthy"]
    assert (threshold.below, threshold.exams) == (10, 30)
    assert "only 10 of 30 exams without it stay below the threshold" in capsys.readouterr().err


@pytest.mark.parametrize(("healthy", "known"), [(0, False), (18, False), (19, True)])
def test_of_few_healthy_exams_there_is_no_threshold(healthy, known, capsys):
    labels = [{"healthy"}] * healthy + [{"unhealthy"}] * 30
    scale = scale_of(np.ones((len(labels), 2)), labels)
    assert ("unhealthy" in scale.thresholds) == known
    assert ("half of full brightness" in capsys.readouterr().err) != known


def test_a_class_counts_the_exams_whose_label_allows_it():
    _, strain, partial, complete = FOUR_CLASS.classes
    labels = [{"healthy"}] * 12 + [{partial, complete}] * 9 + [{complete}] * 6 + [{strain}] * 3
    labels += [set(FOUR_CLASS.classes)] * 40  # says nothing
    scale = scale_of(np.ones((len(labels), 4)), labels, FOUR_CLASS)
    assert scale.exams == {"healthy": 12, complete: 15}
    assert not scale.thresholds


@pytest.mark.parametrize("injured", [0, 1, FEWEST_EXAMS - 1])
def test_of_few_injured_exams_there_is_no_scale(injured):
    labels = [{"healthy"}] * 50 + [{"unhealthy"}] * injured
    assert scale_of(np.ones((len(labels), 2)), labels) is None


def test_maps_that_say_nothing_make_no_scale():
    labels = [{"healthy"}] * 20 + [{"unhealthy"}] * 20
    assert scale_of(np.zeros((40, 2)), labels) is None
