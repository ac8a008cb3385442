"""What a scanner adds: low resolution, ghosts, windows, and fat that isn't suppressed."""

import dataclasses

import numpy as np
import pytest

from data_prep.randomise import Ranges
from data_prep.randomise.measurement import fat_left, low_matrix, measured, windowed, with_ghosts
from tests.data_prep.randomise.test_sample import PLAIN


@pytest.fixture
def picture() -> np.ndarray:
    """A bright square with fine stripes."""
    image = np.zeros((64, 64), np.float32)
    image[16:48, 16:48] = 0.5
    image[16:48, 16:48:2] = 1
    return image


def test_a_low_matrix_loses_details_along_its_axis_only(picture: np.ndarray) -> None:
    fewer_columns = low_matrix(picture, np.array([1.0, 2.0]))
    fewer_rows = low_matrix(picture, np.array([2.0, 1.0]))
    inside = (slice(20, 44), slice(20, 44))
    assert fewer_columns.shape == picture.shape
    assert fewer_columns[inside].std() < 0.1 * picture[inside].std()
    assert fewer_rows[inside].std() == pytest.approx(picture[inside].std(), rel=0.05)
    assert np.array_equal(low_matrix(picture, np.array([1.0, 1.0])), picture)


def test_ghosts_are_faint_copies_elsewhere(picture: np.ndarray) -> None:
    ghosted = with_ghosts(picture, Ranges(ghost=(0.1, 0.1)), np.random.default_rng(1))
    added = ghosted - picture
    assert added.sum() == pytest.approx(0.2 * picture.sum(), rel=1e-3)
    assert added.max() <= 0.2 + 1e-6


def test_a_window_clips_at_its_percentiles() -> None:
    ramp = np.arange(100, dtype=np.float32).reshape(10, 10)
    seen = windowed(ramp, Ranges(window_low=(10, 10), window_high=(90, 90)), np.random.default_rng(2))
    assert (seen == 0).mean() == pytest.approx(0.1, abs=0.02)
    assert (seen == 1).mean() == pytest.approx(0.1, abs=0.02)


def test_without_any_change_the_order_of_greys_stays(picture: np.ndarray) -> None:
    seen = measured(picture, PLAIN, np.random.default_rng(3))
    assert set(np.round(np.unique(seen), 2).tolist()) == {0.0, 0.5, 1.0}


def test_noise_is_that_of_magnitude_pictures() -> None:
    """Rician: in air its mean is sigma times sqrt(pi / 2), so that dark tissue becomes brighter."""
    flat = np.zeros((200, 200), np.float32)
    flat[100:] = 1
    ranges = dataclasses.replace(PLAIN, noise=(0.09, 0.09), window_low=(0.0, 0.0), window_high=(100.0, 100.0))
    seen = measured(flat, ranges, np.random.default_rng(4))
    scale = seen[120:].mean() - seen[:80].mean()
    assert seen[:80].std() / scale == pytest.approx(0.09 * np.sqrt(2 - np.pi / 2), rel=0.15)


def test_unsuppressed_fat_is_a_share() -> None:
    shares = [fat_left((32, 32), np.random.default_rng(seed)) for seed in range(10)]
    assert all(0 <= share.min() <= share.max() <= 1 for share in shares)
    assert any(share.max() > 0.5 for share in shares)
