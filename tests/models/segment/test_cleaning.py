"""Specks go, holes are filled, the largest piece stays; what is small is a matter of millimetres."""

import numpy as np
import pytest

from models.segment.cleaning import SPECK_MM3, cleaned

SPACING_MM = (3.0, 0.5, 0.5)
VOXEL_MM3 = 0.75


def blocks(*places: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros((6, 60, 60), bool)
    for place in places:
        mask[place] = True
    return mask


LARGE, SECOND, SPECK = np.s_[1:4, 10:30, 10:20], np.s_[1:4, 10:30, 40:46], np.s_[5:6, 50:52, 50:52]


@pytest.mark.parametrize("spacing", [SPACING_MM, None])
def test_specks_go_and_pieces_stay(spacing):
    mask = blocks(LARGE, SECOND, SPECK)
    np.testing.assert_array_equal(cleaned(mask, spacing, one_piece=False), blocks(LARGE, SECOND))
    np.testing.assert_array_equal(cleaned(mask, spacing, one_piece=True), blocks(LARGE))


def test_a_speck_alone_is_one_in_millimetres_only():
    side = int(np.sqrt(SPECK_MM3 / VOXEL_MM3))
    small, enough = blocks(np.s_[2:3, :side, :side]), blocks(np.s_[2:3, : side + 1, : side + 1])
    assert small.sum() * VOXEL_MM3 < SPECK_MM3 < enough.sum() * VOXEL_MM3
    assert not cleaned(small, SPACING_MM, one_piece=True).any()
    assert cleaned(enough, SPACING_MM, one_piece=True).any()
    assert cleaned(small, None, one_piece=True).any()
    assert cleaned(small, (3.0, 1.0, 1.0), one_piece=True).any()


def test_holes_are_filled_in_each_slice():
    mask = blocks(LARGE)
    mask[1:4, 15:18, 13:16] = False
    np.testing.assert_array_equal(cleaned(mask, SPACING_MM, one_piece=True), blocks(LARGE))


def test_a_ligament_that_runs_obliquely_is_one_piece():
    oblique = blocks(np.s_[1:2, 10:20, 10:20], np.s_[2:3, 20:30, 20:30], np.s_[3:4, 30:40, 30:40])
    np.testing.assert_array_equal(cleaned(oblique, SPACING_MM, one_piece=True), oblique)


def test_an_empty_mask_stays_empty():
    assert not cleaned(blocks(), SPACING_MM, one_piece=True).any()
