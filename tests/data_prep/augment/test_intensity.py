import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.augment.intensity import SHADING_CELLS, Appearance, shaded
from data_prep.augment.spline import control_points

SHAPE = (8, 64, 48)


def texture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE, np.float32)


def high_frequencies(slices: np.ndarray) -> float:
    """Energy of differences between neighbours within a slice."""
    return float((np.diff(slices, axis=1) ** 2).mean() + (np.diff(slices, axis=2) ** 2).mean())


def test_the_plain_appearance_changes_nothing():
    assert np.array_equal(Appearance().apply(texture()), texture())


@given(st.floats(0.3, 3))
def test_gamma_is_a_power_and_keeps_the_order(exponent):
    ramp = np.linspace(0, 1, 200, dtype=np.float32).reshape(2, 10, 10)
    changed = Appearance(exponent=exponent).apply(ramp)
    assert changed == pytest.approx(ramp.astype(np.float64) ** exponent, abs=1e-5)
    assert (np.diff(changed.ravel()) >= 0).all()
    assert changed.ravel()[[0, -1]].tolist() == [0, 1]


def test_blur_takes_high_frequencies_keeps_the_mean_and_stays_in_its_slice():
    energies = [high_frequencies(Appearance(blur_pixels=sigma).apply(texture())) for sigma in (0.0, 0.5, 1.0, 2.0)]
    assert all(more > 1.5 * less for more, less in itertools.pairwise(energies))
    point = np.zeros(SHAPE, np.float32)
    point[3, 30, 20] = 1
    soft = Appearance(blur_pixels=2).apply(point)
    assert soft.sum() == pytest.approx(1, rel=1e-4)
    assert soft[[2, 4]].max() == 0
    rows = np.arange(SHAPE[1])
    assert np.sqrt((soft[3].sum(axis=1) * (rows - 30) ** 2).sum()) == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_noise_has_its_deviation_in_tissue_and_a_floor_in_air(sigma):
    """Rice's distribution: Gaussian where the signal is strong, Rayleigh's, mean sqrt(pi / 2) sigma, without signal."""
    noisy = Appearance(noise=sigma, seed=3)
    tissue = noisy.apply(np.full(SHAPE, 0.5, np.float32))
    assert tissue.std() == pytest.approx(sigma, rel=0.03)
    assert tissue.mean() == pytest.approx(0.5 + sigma**2 / (2 * 0.5), abs=sigma / 50)
    air = noisy.apply(np.zeros(SHAPE, np.float32))
    assert air.mean() == pytest.approx(np.sqrt(np.pi / 2) * sigma, rel=0.03)


def test_noise_is_another_in_each_pixel_and_slice_and_follows_its_seed():
    flat = np.full(SHAPE, 0.5, np.float32)
    noise = Appearance(noise=0.05, seed=3).apply(flat) - flat
    between = [
        np.corrcoef(noise[0].ravel(), noise[1].ravel()),
        np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel()),
    ]
    assert max(abs(table[0, 1]) for table in between) < 0.05
    assert np.array_equal(Appearance(noise=0.05, seed=3).apply(flat) - flat, noise)
    assert not np.array_equal(Appearance(noise=0.05, seed=4).apply(flat) - flat, noise)


@pytest.mark.parametrize(("seed", "strength"), [(0, 0.05), (1, 0.3), (2, 0.6), (3, 1.2)])
def test_shading_is_smooth_in_three_dimensions_and_as_strong_as_said(seed, strength):
    factor = shaded(SHAPE, strength, control_points(SHADING_CELLS, np.random.default_rng(seed)))
    logarithm = np.log(factor)
    assert factor.shape == SHAPE
    assert factor.dtype == np.float32
    assert np.abs(logarithm).max() == pytest.approx(strength, rel=1e-3)
    steps = [np.abs(np.diff(logarithm, axis=axis)).max() / strength for axis in range(3)]
    assert steps[0] < 0.4  # eight slices are coarse
    assert max(steps[1:]) < 0.1


def test_shading_multiplies_and_differs_between_slices():
    factor = shaded(SHAPE, 0.5, control_points(SHADING_CELLS, np.random.default_rng(2)))
    changed = Appearance(shading=factor).apply(np.full(SHAPE, 0.25, np.float32))
    assert changed == pytest.approx(0.25 * factor)
    assert np.abs(factor[0] - factor[-1]).max() > 0.05


def test_what_gets_too_bright_is_clipped():
    bright = np.full(SHAPE, 0.95, np.float32)
    for appearance in (Appearance(noise=0.2, seed=1), Appearance(shading=np.full(SHAPE, 1.5, np.float32))):
        assert appearance.apply(bright).max() == 1
