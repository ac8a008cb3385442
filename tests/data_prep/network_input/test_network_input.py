import numpy as np
import pytest

from data_prep.errors import UnsuitableStudy
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.crop import crop
from data_prep.network_input.network_input import NetworkInput
from data_prep.network_input.recipe import Recipe
from data_prep.network_input.suitability import examine
from tests.conftest import make_volume

RECIPE = Recipe((15.0, 12.0, 12.0), (8, 6))


def test_it_is_what_the_recipe_makes_and_what_a_reader_should_know():
    voxels = np.random.default_rng(0).normal(size=(8, 16, 16))
    voxels[2] = 0  # so that there is something to say
    volume = make_volume(voxels)
    prepared = NetworkInput.of(Coarse.of(volume), RECIPE)
    slices, footprint = crop(volume.voxels, volume.spacing_mm, RECIPE)
    assert np.array_equal(prepared.slices, slices)
    assert (prepared.footprint, prepared.notices) == (footprint, examine(volume))
    assert "blank-slices" in [notice.code for notice in prepared.notices]


def test_nothing_to_judge_is_said_before_anything_is_cut():
    with pytest.raises(UnsuitableStudy, match="blank"):
        Coarse.of(make_volume(np.zeros((12, 16, 16))))
