"""Signals against hand computation, noise and fields against their statistics."""

import numpy as np
import pytest

from data_prep.phantom.contrast import Tissue, palette, signal
from data_prep.phantom.scanner import enlarge, smooth_field
from data_prep.phantom.shapes import Points, cut, ellipsoid, join, meet, tube


def points(*triples: tuple[float, float, float]) -> Points:
    return Points(*(np.array(axis, np.float32).reshape(-1, 1, 1) for axis in zip(*triples, strict=True)))


def test_signal_by_hand() -> None:
    # TR = T1 ln 2 recovers one half; TE = T2 ln 4 leaves a quarter.
    tissue = Tissue(density=0.8, t1_ms=1000, t2_ms=50)
    assert signal(tissue, 1000 * np.log(2), 50 * np.log(4), fat_left=1) == pytest.approx(0.8 / 2 / 4)


def test_fat_suppression_takes_the_share_of_fat() -> None:
    tissue = Tissue(density=1, t1_ms=1, t2_ms=1e9, fat=0.75)
    assert signal(tissue, 1000, 1, fat_left=0.2) == pytest.approx(0.25 + 0.75 * 0.2)


def test_order_of_brightness_is_that_of_fat_suppressed_proton_density() -> None:
    seen = palette(tr_ms=3000, te_ms=35, fat_left=0.1)
    order = ("cortex", "ligament", "marrow", "muscle", "cartilage", "torn", "fluid")
    assert sorted(order, key=seen.__getitem__) == list(order)


def test_distances_on_axes_are_exact() -> None:
    p = points((0, 0, 7), (3, 0, 0), (0, 5, 0))
    assert ellipsoid(p, (0, 0, 0), (3, 4, 5)).ravel() == pytest.approx([2, 0, 1], abs=1e-5)
    assert tube(p, [(0, 0, -9), (0, 0, 9)], [2, 2]).ravel() == pytest.approx([-2, 1, 3], abs=1e-5)


def test_blends_agree_with_set_operations_away_from_the_seam() -> None:
    a, b = np.array([-5.0, 5, -5], np.float32), np.array([5.0, 5, -20], np.float32)
    assert join(a, b, 1).tolist() == pytest.approx([-5, 5 - 0.25, -20])
    assert meet(a, b, 1).tolist() == pytest.approx([5, 5 + 0.25, -5])
    assert cut(a, -b, 1).tolist() == pytest.approx([5, 5 + 0.25, -5])


def test_smooth_fields_have_unit_variance_and_no_trend() -> None:
    field = smooth_field((24, 96, 96), (12, 20, 20), np.random.default_rng(0))
    assert field.shape == (24, 96, 96)
    assert field.std() == pytest.approx(1, abs=0.15)
    assert abs(field.mean()) < 0.1


def test_enlarged_masks_keep_their_place() -> None:
    mask = np.zeros((1, 8, 8), np.float32)
    mask[0, 2:4, 5:7] = 1
    large = enlarge(mask, 32)[0]
    rows, columns = np.nonzero(large)
    assert (rows.mean() + 0.5) / 4 == pytest.approx(3)
    assert (columns.mean() + 0.5) / 4 == pytest.approx(6)
