import numpy as np
import pytest

from data_prep.augment import Augmentation

STRONG = Augmentation(rotation_degrees=30, shift=0.1, scale=0.2, gamma=0.4)


def test_every_slice_moves_alike():
    """Equal slices stay equal: one draw for the whole volume."""
    plane = np.random.default_rng(0).random((32, 32), np.float32)
    moved = STRONG.apply(np.stack([plane] * 5), np.random.default_rng(1))
    assert all(np.array_equal(moved[0], other) for other in moved)
    assert not np.array_equal(moved[0], plane)


def test_draws_follow_the_seed_and_stay_in_range():
    slices = np.random.default_rng(0).random((3, 32, 40), np.float32)
    first, again, other = (STRONG.apply(slices, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == slices.shape
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1


def test_no_draw_changes_nothing():
    slices = np.random.default_rng(0).random((3, 32, 40), np.float32)
    assert Augmentation().apply(slices, np.random.default_rng(1)) == pytest.approx(slices, abs=1e-6)


def test_a_knee_is_never_mirrored():
    """A ramp that grows to the right still does after any draw within reason."""
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (2, 64, 1))
    for seed in range(20):
        moved = STRONG.apply(ramp, np.random.default_rng(seed))
        assert moved[:, :, -20:].mean() > moved[:, :, :20].mean()
