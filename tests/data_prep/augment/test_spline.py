import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.augment.spline import control_points, smooth_field


def test_a_field_is_as_large_as_asked_and_smooth():
    control = control_points((1, 2, 3), np.random.default_rng(0))
    field = smooth_field(control, (9, 40, 50))
    assert control.shape == (4, 5, 6)
    assert field.shape == (9, 40, 50)
    assert field.dtype == np.float32
    steps = [np.abs(np.diff(field, axis=axis)).max() for axis in range(3)]
    assert max(steps) < 0.35 * np.ptp(field)  # nine slices are coarse
    assert max(steps[1:]) < 0.1 * np.ptp(field)


def test_axes_keep_their_order():
    """Control points that grow along one axis make a field that grows along that axis only."""
    for axis in range(3):
        line = np.linspace(-1, 1, 5)
        control = np.broadcast_to(np.expand_dims(line, [other for other in range(3) if other != axis]), (5, 5, 5))
        field = smooth_field(control, (6, 7, 8))
        for other in range(3):
            steps = np.diff(field, axis=other)
            assert (steps > 0).all() if other == axis else np.abs(steps).max() < 1e-6


def test_equally_spaced_control_points_make_a_straight_line():
    """Cubic B-splines reproduce lines: point i stands at knot i - 1, pixel x at (x + 1/2) cells / length."""
    field = smooth_field(np.arange(7.0), (16,))
    assert field == pytest.approx(1 + (np.arange(16) + 0.5) * 4 / 16, abs=1e-6)


@given(st.integers(0, 2**32), st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(*[st.integers(1, 40)] * 2))
def test_a_field_stays_within_its_control_points(seed, cells, shape):
    control = control_points(cells, np.random.default_rng(seed))
    field = smooth_field(control, shape)
    assert control.min() - 1e-6 <= field.min() <= field.max() <= control.max() + 1e-6
