"""Runs of pixels are the mask."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from app.contract import masks
from app.contract.schemas import SliceMask

SHAPES = array_shapes(min_dims=3, max_dims=3, max_side=9)


@given(array=SHAPES.flatmap(lambda shape: arrays(np.bool_, shape)))
def test_a_mask_survives_runs_and_packing(array):
    runs = masks.runs_of(array)
    masks.check(runs, array.shape)
    np.testing.assert_array_equal(masks.drawn(masks.unpacked(masks.packed(runs)), array.shape), array)


@given(runs=st.lists(st.integers(0, 100), min_size=2, max_size=12), index=st.integers(0, 3))
def test_what_passes_the_check_can_be_drawn_and_comes_back(runs, index):
    mask = [SliceMask(slice=index, runs=runs)]
    try:
        masks.check(mask, (3, 8, 9))
    except ValueError:
        return
    assert masks.runs_of(masks.drawn(mask, (3, 8, 9))) == mask
