"""The entropy near a mask's boundary: known values, and a blurred boundary is less sure than a sharp one."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import entropy as shannon

from data_prep.network_input.footprint import Footprint
from models.segment.segmented import Segmented
from models.segment.uncertainty import NEAR, by_slice, entropy, near_boundary, uncertainty


def segmented(*planes: np.ndarray) -> Segmented:
    slices, (rows, columns) = len(planes), planes[0].shape
    return Segmented(
        np.stack(planes)[None].astype(np.float32),
        Footprint((slices, rows, columns), (0, slices), (0.0, float(rows)), (0.0, float(columns))),
    )


def square(blur: float, size: int = 64) -> np.ndarray:
    plane = np.zeros((size, size))
    plane[20:40, 24:36] = 1
    return gaussian_filter(plane, blur)


@pytest.mark.parametrize("structures", [1, 2, 6])
def test_the_entropy_is_scipys(structures):
    drawn = np.random.default_rng(0).dirichlet(np.ones(1 + structures), 50).T
    expected = shannon(drawn, base=1 + structures)
    np.testing.assert_allclose(entropy(drawn[1:].astype(np.float32)), expected, atol=1e-5)
    assert entropy(np.zeros((structures, 2), np.float32)).tolist() == pytest.approx([0, 0], abs=1e-6)
    equal = np.full((structures, 1), 1 / (1 + structures), np.float32)
    assert float(entropy(equal)[0]) == pytest.approx(1, abs=1e-5)


def test_a_blurred_boundary_is_less_sure():
    sharp, soft, softer = (uncertainty(segmented(square(blur)), 0.5) for blur in (0.0, 1.5, 3.0))
    assert sharp == pytest.approx(0, abs=1e-6)
    assert sharp < soft < softer < 1


def test_what_is_far_from_the_boundary_does_not_count():
    plane = square(1.5)
    unsure = plane.copy()
    unsure[:8, :8] = 0.4
    assert uncertainty(segmented(unsure), 0.5) == uncertainty(segmented(plane), 0.5)
    near = near_boundary(square(0.0) >= 0.5)
    assert (near[20 - NEAR, 30], near[19 - NEAR, 30], near[19 + NEAR, 30], near[20 + NEAR, 30]) == (
        True,
        False,
        True,
        False,
    )


def test_nothing_found_is_as_unsure_as_can_be():
    empty = np.full((64, 64), 0.1)
    assert uncertainty(segmented(empty, empty), 0.5) == 1.0


def test_slices_without_a_mask_do_not_count():
    slices = by_slice(segmented(np.zeros((64, 64)), square(1.0), square(3.0)), 0.5)
    assert np.isnan(slices).tolist() == [True, False, False]
    assert slices[1] < slices[2]
    assert uncertainty(segmented(np.zeros((64, 64)), square(1.0), square(3.0)), 0.5) == np.mean(slices[1:])
