"""A segmenter's input and its targets lie on the same grid; an unknown pixel size is taken from the width."""

import numpy as np
import pytest

from data_prep.network_input.crop import crop
from data_prep.network_input.recipe import Recipe
from models.segment.recipe import Filter, SegmentRecipe, inputs, targets

PLAIN = Recipe((1000.0, 40.0, 40.0), (32, 32), window=(0.0, 100.0))


def disc(rows: int, columns: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize(("rows", "columns"), [(80, 80), (50, 90), (30, 41)])
def test_targets_lie_where_the_input_shows_the_structure(rows, columns):
    """Also if the block is larger than the image, or the image isn't square."""
    mask = disc(rows, columns, (0.55 * rows, 0.4 * columns), 9)[None].repeat(3, axis=0)
    recipe = SegmentRecipe(PLAIN)
    given, footprint = inputs(mask.astype(np.float32), (3.0, 0.5, 0.5), recipe)
    target = targets(mask.astype(np.uint8), footprint, recipe)
    assert given.shape == (3, 32, 32, 1)
    assert target.shape == (3, 32, 32)
    assert target.dtype == np.uint8
    shown = given[..., 0] >= 0.5
    assert shown.any()
    assert 2 * (shown & (target == 1)).sum() / (shown.sum() + target.sum()) > 0.9


def test_outside_the_image_is_background():
    recipe = SegmentRecipe(PLAIN)
    _, footprint = inputs(np.random.default_rng(0).random((2, 20, 20), np.float32), (3.0, 0.5, 0.5), recipe)
    target = targets(np.ones((2, 20, 20), np.uint8), footprint, recipe)
    assert target.sum(axis=(1, 2)).tolist() == [64, 64]  # 10 of 40 mm: 8 of 32 pixels
    assert target[0, 12:20, 12:20].all()


def test_a_channel_for_each_filter():
    voxels = np.random.default_rng(0).random((2, 60, 60), np.float32)
    filters = (Filter(), Filter(clahe_clip=2.0), Filter(unsharp=1.0))
    given, _ = inputs(voxels, (3.0, 0.5, 0.5), SegmentRecipe(PLAIN, filters))
    assert given.shape == (2, 32, 32, 3)
    for index, one in enumerate(filters):
        alone = Recipe(PLAIN.extent_mm, PLAIN.size, PLAIN.window, one.clahe_clip, one.unsharp)
        np.testing.assert_array_equal(given[..., index], crop(voxels, (3.0, 0.5, 0.5), alone).slices)
    own = SegmentRecipe(Recipe(PLAIN.extent_mm, PLAIN.size, PLAIN.window, clahe_clip=2.0))
    np.testing.assert_array_equal(inputs(voxels, (3.0, 0.5, 0.5), own)[0][..., 0], given[..., 1])


def test_an_image_of_unknown_pixel_size_shows_the_assumed_width():
    voxels = np.random.default_rng(0).random((1, 60, 80), np.float32)
    recipe = SegmentRecipe(PLAIN, assumed_mm=40.0)
    unknown, footprint = inputs(voxels, None, recipe)
    known, same = inputs(voxels, (3.5, 0.5, 0.5), recipe)
    np.testing.assert_array_equal(unknown, known)
    assert footprint == same
    assert footprint.columns == (0, 80)
