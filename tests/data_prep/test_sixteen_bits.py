import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data_prep.sixteen_bits import SixteenBits

SHAPE = (2, 3, 4)


def restored(voxels: np.ndarray) -> tuple[np.ndarray, SixteenBits]:
    stored = SixteenBits.of(voxels)
    levels = stored.levels(voxels)
    assert levels.dtype == "<u2"
    return (stored.slope * levels.astype(np.float64) + stored.intercept).astype(np.float32), stored


@given(arrays(np.int32, SHAPE, elements=st.integers(-32768, 32767)))
def test_whole_numbers_of_a_scanner_are_kept_exactly(whole):
    found, stored = restored(whole.astype(np.float32))
    assert stored.tolerance == 0
    assert (found == whole).all()


@given(arrays(np.float32, SHAPE, elements=st.floats(-1e6, 1e6, width=32)))
def test_every_voxel_is_within_the_stated_tolerance(voxels):
    found, stored = restored(voxels)
    assert np.abs(found.astype(np.float64) - voxels).max() <= stored.tolerance


def test_a_blank_volume_is_kept():
    found, stored = restored(np.full(SHAPE, 0.25, np.float32))
    assert (found == 0.25).all()
    assert stored.slope > 0
