import numpy as np
import pytest

from models.explain.cam import credit_to_winners, linear_maps


def test_a_channel_is_credited_to_the_slice_that_won_it_and_to_the_first_at_a_tie():
    pooled = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 2.0], [2.0, 0.0, 2.0]])
    assert credit_to_winners(pooled).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]


def test_a_map_worked_out_by_hand():
    """Two slices of 1 x 2 cells, two channels: channel 0 is won by slice 1, channel 1 by slice 0."""
    grid = np.array([[[[1, 8], [1, 4]]], [[[6, 0], [2, 2]]]], np.float32)
    kernel = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32)
    maps = linear_maps(grid, credit_to_winners(grid.mean(axis=(1, 2), dtype=float)), kernel)
    assert maps[0].tolist() == [[[2, 1]], [[3, 1]]]
    assert maps[1].tolist() == [[[8, 4]], [[-3, -1]]]
    assert maps.sum(axis=(1, 2, 3)) == pytest.approx([1 * 4 + 0.5 * 6, -1 * 4 + 2 * 6])


def test_credit_can_be_shared():
    """Mean over slices is the same bookkeeping with equal credit."""
    grid = np.random.default_rng(0).random((4, 3, 3, 5), np.float32)
    kernel = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    maps = linear_maps(grid, np.full((4, 5), 0.25), kernel)
    assert maps.sum(axis=(1, 2, 3)) == pytest.approx(grid.mean(axis=(0, 1, 2)) @ kernel, rel=1e-5)
