import numpy as np
import pytest

from data_prep.errors import UnsuitableStudy
from data_prep.network_input.suitability import examine
from data_prep.volume import Acquisition
from tests.conftest import make_volume

NOISE = np.random.default_rng(0).normal(size=(8, 16, 16))
SUPPRESSED = Acquisition(fat_suppressed=True)


def codes(volume) -> list[str]:
    return [notice.code for notice in examine(volume)]


def test_a_routine_series_needs_no_notice():
    assert codes(make_volume(NOISE, acquisition=SUPPRESSED)) == []


def test_each_peculiarity_has_its_notice():
    assert codes(make_volume(NOISE)) == ["fat-suppression-unknown"]
    assert codes(make_volume(NOISE, acquisition=Acquisition(fat_suppressed=False))) == ["not-fat-suppressed"]
    assert codes(make_volume(NOISE, (6.0, 0.5, 0.5), acquisition=SUPPRESSED)) == ["coarse-slices"]
    lying = make_volume(NOISE, acquisition=SUPPRESSED)
    lying.directions[:] = [[0, -1, 0], [0, 0, -1]]
    assert codes(lying) == ["unusual-orientation"]
    gap = NOISE.copy()
    gap[3] = 5
    (notice,) = examine(make_volume(gap, acquisition=SUPPRESSED))
    assert notice.code == "blank-slices"
    assert notice.message == "Slices without any signal: 4."


@pytest.mark.parametrize("voxels", [np.zeros((8, 16, 16)), np.where(NOISE > 3, np.nan, NOISE), NOISE + np.inf])
def test_nothing_to_predict_on_is_refused(voxels):
    with pytest.raises(UnsuitableStudy):
        examine(make_volume(voxels))
