"""Volume, place and elongation of a mask, and which of them no ligament in training had."""

import numpy as np
import pytest

from models.segment.plausible import Plausible, Shape

SPACING_MM = (3.0, 0.5, 1.0)


def ellipse(centre: tuple[float, float], semi_axes_mm: tuple[float, float], turned: float = 0.0) -> np.ndarray:
    """In two of five slices of 80 x 60 pixels. turned: In degrees."""
    y, x = np.mgrid[:80, :60].astype(float)
    y, x = (y + 0.5 - centre[0]) * SPACING_MM[1], (x + 0.5 - centre[1]) * SPACING_MM[2]
    turn = np.deg2rad(turned)
    along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    plane = (along / semi_axes_mm[0]) ** 2 + (across / semi_axes_mm[1]) ** 2 <= 1
    mask = np.zeros((5, 80, 60), bool)
    mask[2:4] = plane
    return mask


@pytest.mark.parametrize("turned", [0.0, 40.0, 90.0])
def test_an_ellipse_has_the_shape_that_geometry_gives(turned):
    shape = Shape.of(ellipse((40.0, 30.0), (12.0, 4.0), turned), SPACING_MM)
    assert shape.volume_mm3 == pytest.approx(2 * 3.0 * np.pi * 12 * 4, rel=0.03)
    assert (shape.row, shape.column) == pytest.approx((0.5, 0.5), abs=0.01)
    assert shape.elongation == pytest.approx(3.0, rel=0.05)


def test_a_single_voxel_has_a_shape():
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 1, 6] = True
    assert Shape.of(mask, (3.0, 1.0, 1.0)) == Shape(3.0, 1.5 / 8, 6.5 / 8, 1.0)


RANGES = Plausible.of([Shape(900.0, 0.4, 0.45, 2.0), Shape(2000.0, 0.6, 0.55, 4.0), Shape(1500.0, 0.5, 0.5, 3.0)])


def test_ranges_are_those_of_the_training_masks():
    assert Plausible((900.0, 2000.0), (0.4, 0.6), (0.45, 0.55), (2.0, 4.0)) == RANGES
    with pytest.raises(ValueError, match="no training mask"):
        Plausible.of([])


@pytest.mark.parametrize(
    ("shape", "doubt"),
    [
        (Shape(1500.0, 0.5, 0.5, 3.0), ""),
        (Shape(730.0, 0.36, 0.59, 1.7), ""),
        (Shape(700.0, 0.5, 0.5, 3.0), "volume"),
        (Shape(2600.0, 0.5, 0.5, 5.5), "volume and elongation"),
        (Shape(1500.0, 0.7, 0.5, 3.0), "position (row)"),
        (Shape(1500.0, 0.5, 0.38, 3.0), "position (column)"),
    ],
)
def test_what_is_outside_is_named(shape, doubt):
    assert RANGES.doubt(shape) == doubt
