import numpy as np
import pytest

from data_prep.boxes import bounding_box, filled


def test_a_box_is_as_small_as_its_mask():
    mask = np.zeros((4, 6, 8), bool)
    mask[1, 2, 3] = mask[2, 5, 4] = True
    assert bounding_box(mask) == ((1, 3), (2, 6), (3, 5))
    assert bounding_box(filled(((1, 3), (2, 6), (3, 5)), mask.shape)) == ((1, 3), (2, 6), (3, 5))


def test_what_lies_outside_is_cut_off():
    assert filled(((3, 9), (0, 2), (7, 9)), (4, 6, 8)).sum() == 2


def test_nothing_has_no_box():
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((2, 2, 2), bool))
