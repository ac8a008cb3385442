"""The region is what reaches the threshold; peak and outlines are where they belong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.results.colour_scale import Bounds
from app.results.evidence import MOST_POINTS, Evidence


def evidence(values: np.ndarray, threshold: float | None = 1.0) -> Evidence:
    return Evidence(values, Bounds(2.0, threshold, float(values.max()), 0.25))


def test_what_reaches_the_threshold_is_in_the_region():
    below = np.nextafter(np.float32(1), np.float32(0))
    values = np.array([[[1.0, below, -5.0, 7.0]]], np.float32)
    assert evidence(values).region.tolist() == [[[True, False, False, True]]]
    assert evidence(values).peak == (0, 0, 3)
    assert not evidence(values, None).has_region
    assert not evidence(0 * values).has_region


@pytest.mark.parametrize(("threshold", "is_dark"), [(1.0, False), (7.5, True), (None, False)])
def test_a_study_is_dark_if_nothing_reaches_the_threshold(threshold, is_dark):
    values = np.array([[[1.0, 7.0]]], np.float32)
    assert evidence(values, threshold).bounds.is_dark == is_dark
    assert evidence(values, threshold).bounds.density(2.0) == 8.0


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4), st.integers(1, 4))
def test_the_outline_runs_inside_the_pixels_at_the_edge(top, left, height, width):
    """Of two parts, the larger one's."""
    values = np.zeros((1, 12, 14), np.float32)
    values[0, top : top + height, left : left + width] = 3
    values[0, 11, 13] = 3
    outline = evidence(values).outline(0)
    np.testing.assert_array_equal(outline[0], outline[-1])
    assert outline.min(axis=0).tolist() == [left + 0.25, top + 0.25] or height * width == 1
    if height * width > 1:
        assert outline.max(axis=0).tolist() == [left + width - 0.25, top + height - 0.25]


def test_what_the_model_looked_at_is_where_the_map_is_not_zero():
    values = np.zeros((2, 12, 14), np.float32)
    values[1, 3:5, 6:9] = -0.1
    assert evidence(values).examined(1).tolist() == [[6, 3], [9, 3], [9, 5], [6, 5], [6, 3]]
    assert evidence(values).examined(0).tolist() == [[0, 0], [14, 0], [14, 12], [0, 12], [0, 0]]


def test_an_outline_of_many_points_is_simplified():
    """A comb of 60 teeth."""
    values = np.zeros((1, 100, 130), np.float32)
    values[0, 10:90, :120:2] = 1
    values[0, 10:15, :120] = 1
    outline = evidence(values).outline(0)
    assert 3 < len(outline) <= MOST_POINTS
    np.testing.assert_array_equal(outline[0], outline[-1])
    assert np.abs(outline.min(axis=0) - (0, 10)).max() <= 1
    assert np.abs(outline.max(axis=0) - (120, 90)).max() <= 8
