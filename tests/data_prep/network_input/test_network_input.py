import numpy as np
import pytest

from data_prep.errors import UnsuitableStudy
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.located import Located
from data_prep.network_input.network_input import NetworkInput
from data_prep.network_input.recipe import Recipe
from tests.conftest import make_volume

RECIPE = Recipe((15.0, 12.0, 12.0), (8, 6))


def test_both_steps_give_the_block_and_what_a_reader_should_know():
    """5 of 8 slices of 3 mm, and 24 pixels of 0.5 mm where the image has 16: the rest is padded."""
    voxels = np.random.default_rng(0).random((8, 16, 16))
    voxels[2] = 0
    found = NetworkInput.of(Coarse.of(make_volume(voxels)), RECIPE)
    assert found.slices.shape == (5, 8, 6)
    assert (found.footprint.slices, found.footprint.rows, found.footprint.columns) == ((1, 6), (-4, 20), (-4, 20))
    assert np.ptp(found.slices[1]) == 0  # the second of them is the blank one, and its padding is as dark as air
    assert min(np.ptp(found.slices[index]) for index in (0, 2, 3, 4)) > 0.5
    assert ("blank-slices", "Slices without any signal: 3.") in [(one.code, one.message) for one in found.notices]
    assert (found.box, found.took_ms > 0) == (None, True)


def test_a_box_moves_the_block():
    volume = make_volume(np.random.default_rng(0).normal(size=(8, 16, 16)))
    found = NetworkInput.of(Coarse.of(volume), RECIPE, Located(((0, 4), (2, 4), (10, 16))))
    assert (found.footprint.slices, found.footprint.rows, found.footprint.columns) == ((0, 4), (-9, 15), (1, 25))
    assert found.box == ((0, 4), (2, 4), (10, 16))


def test_nothing_to_predict_on_is_said_before_anything_is_cut():
    with pytest.raises(UnsuitableStudy, match="blank"):
        Coarse.of(make_volume(np.zeros((12, 16, 16))))
