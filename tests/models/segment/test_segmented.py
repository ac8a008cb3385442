"""From the network's grid to source voxels: planes, and the peak."""

import numpy as np
import pytest

from data_prep.network_input.footprint import Footprint
from models.segment.segmented import Segmented

# A block of slices 2 and 3, larger than the image above and left of it, and not reaching its right end.
FOOTPRINT = Footprint((5, 60, 80), (2, 4), (-10.0, 70.0), (-8.0, 72.0))


def bump(row: float, column: float, width: float = 4.0, height: float = 0.9) -> np.ndarray:
    """On a grid of 40 x 40 cells, centred on a pixel of the image."""
    y, x = np.mgrid[:40, :40] + 0.5
    y, x = 2 * y - 10 - (row + 0.5), 2 * x - 8 - (column + 0.5)
    return height * np.exp(-(y**2 + x**2) / (2 * width**2))


@pytest.fixture
def segmented() -> Segmented:
    planes = [[bump(30, 40), bump(20, 20, height=0.95)], [bump(10, 70), bump(50, 5)]]
    return Segmented(np.array(planes, np.float32), FOOTPRINT)


def test_a_plane_lies_where_the_block_was_cut(segmented):
    for slice_, index, (row, column) in [(2, 0, (30, 40)), (3, 0, (20, 20)), (2, 1, (10, 70)), (3, 1, (50, 5))]:
        plane = segmented.plane(slice_)[index]
        assert plane.shape == (60, 80)
        y, x = np.mgrid[:60, :80]
        centre = (plane * y).sum() / plane.sum(), (plane * x).sum() / plane.sum()
        if column < 60:
            assert centre == (pytest.approx(row, abs=1.5), pytest.approx(column, abs=1.5))
        assert np.unravel_index(plane.argmax(), plane.shape) == (
            pytest.approx(row, abs=1),
            pytest.approx(column, abs=1),
        )
    assert not segmented.plane(1).any()
    assert not segmented.plane(4).any()
    assert not segmented.plane(2)[:, :, 72:].any()


def test_the_peak_is_the_middle_of_a_sure_area():
    grid = np.zeros((1, 2, 40, 40), np.float32)
    grid[0, 1, 12:21, 16:25] = 1
    slice_, row, column = Segmented(grid, FOOTPRINT).peak(0)
    assert slice_ == 3
    assert (row, column) == (pytest.approx(2 * 16.5 - 10, abs=1.5), pytest.approx(2 * 20.5 - 8, abs=1.5))


def test_the_peak_is_looked_for_in_a_mask(segmented):
    assert segmented.peak(0) == (3, pytest.approx(20, abs=1), pytest.approx(20, abs=1))
    mask = np.zeros((5, 60, 80), bool)
    mask[2, 25:35, 35:60] = True
    assert segmented.peak(0, mask) == (2, pytest.approx(30, abs=1), pytest.approx(40, abs=1))
