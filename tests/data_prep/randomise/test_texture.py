"""Textures: of unit variance, along the ligament, absent in air."""

import numpy as np
import pytest

from data_prep.phantom.tissues import NUMBERS, TISSUES
from data_prep.randomise import Ranges
from data_prep.randomise.texture import Textures, smooth_noise, spots


def test_noise_has_unit_variance_and_the_details_that_are_asked_for() -> None:
    rng = np.random.default_rng(1)
    coarse, fine = (smooth_noise((96, 96), (cells, cells), rng) for cells in (4, 48))
    for noise in (coarse, fine):
        assert noise.std() == pytest.approx(1, rel=1e-3)
    assert np.abs(np.diff(coarse)).mean() < np.abs(np.diff(fine)).mean() / 4


def test_fibres_run_along_the_ligament() -> None:
    labels = np.full((96, 96), NUMBERS["fat"], np.uint8)
    labels[20:80, 44:54] = NUMBERS["acl"]
    textures = Textures(labels, 0.5, Ranges(), np.random.default_rng(2))
    band = textures.fibres[22:78, 45:53]
    assert np.abs(np.diff(band, axis=0)).mean() < np.abs(np.diff(band, axis=1)).mean() / 2
    assert not textures.fibres[labels == NUMBERS["fat"]].any()
    assert textures.across[50, 44] * textures.across[50, 53] < 0


def test_tissues_keep_their_mean_and_air_stays_empty() -> None:
    labels = np.full((128, 128), NUMBERS["air"], np.uint8)
    labels[:, 40:] = NUMBERS["muscle"]
    greys = np.full(len(TISSUES), 0.5, np.float32)
    greys[NUMBERS["air"]] = 0
    picture = Textures(labels, 1.0, Ranges(), np.random.default_rng(3)).apply(greys, labels)
    assert not picture[:, :40].any()
    assert picture[:, 40:].mean() == pytest.approx(0.5, abs=0.05)
    assert picture[:, 40:].std() > 0.005


def test_spots_cover_a_part_of_the_picture() -> None:
    for seed in range(5):
        share, grey = spots((64, 64), np.random.default_rng(seed))
        assert 0 <= share.min() < share.max() <= 1.001
        assert 0 < share.mean() < 0.3
        assert 0 <= grey <= 1.2
