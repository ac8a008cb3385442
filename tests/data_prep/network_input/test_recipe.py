import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from data_prep.network_input.crop import SAMPLE_STEP, block, crop, percentile
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from tests.conftest import make_volume

# float32 sums of a few thousand numbers agree to about this.
ROUNDING = 1e-5


def bright_spot(shape: tuple[int, int, int], where: tuple[int, int, int]) -> np.ndarray:
    """Noise-free darkness with a 5 x 5 bright square in one slice."""
    voxels = np.zeros(shape)
    index, row, column = where
    voxels[index, row - 2 : row + 3, column - 2 : column + 3] = 100
    return voxels


def test_a_millimetre_stays_a_millimetre_on_anisotropic_pixels():
    """A square knee of 40 mm fills the crop of 40 mm whatever the row and column spacing are."""
    voxels = np.zeros((6, 100, 50))
    voxels[:, 30:70, 20:30] = 1  # 40 mm in rows of 1 mm, 40 mm in columns of 4 mm
    slices, footprint = crop(voxels.astype(np.float32), (3.0, 1.0, 4.0), Recipe((18.0, 40.0, 40.0), (20, 20)))
    assert (footprint.rows, footprint.columns, footprint.slices) == ((30, 70), (20, 30), (0, 6))
    assert slices.shape == (6, 20, 20)


def test_the_window_is_taken_from_the_whole_block_not_slice_by_slice():
    voxels = np.zeros((4, 40, 40))
    voxels[1, :, :20], voxels[2, :, :20] = 50, 100
    volume = make_volume(voxels)
    slices, _ = crop(volume.voxels, volume.spacing_mm, Recipe((12.0, 20.0, 20.0), (40, 40), window=(0, 100)))
    assert [plane.max() for plane in slices] == pytest.approx([0, 0.5, 1, 0])


def test_a_blank_volume_gives_zeros_not_nan():
    volume = make_volume(np.full((4, 40, 40), 7.0))
    slices, _ = crop(volume.voxels, volume.spacing_mm, Recipe((12.0, 20.0, 20.0), (8, 8)))
    assert np.array_equal(slices, np.zeros((4, 8, 8), np.float32))


finite = st.floats(-1e6, 1e6, width=32)


@given(arrays.arrays(np.float32, st.integers(1, 5 * SAMPLE_STEP), elements=finite), st.floats(0, 100))
def test_a_percentile_is_numpys_to_the_last_bit(values, percent):
    assert percentile(values, percent) == np.percentile(values, [percent])[0]


@pytest.mark.parametrize("percent", [0.0, 0.1, 1.0, 49.9, 50.0, 99.0, 99.97, 100.0])
@pytest.mark.parametrize("kind", ["whole numbers", "air around", "anything", "in order", "misleading sample"])
def test_a_percentile_of_many_voxels_is_numpys_too(kind, percent):
    values = np.random.default_rng(4).gamma(2, 200, (12, 120, 110)).astype(np.float32)
    if kind == "whole numbers":
        values = np.round(values)
    elif kind == "air around":
        values[:, :40] = values.min()
    elif kind == "in order":
        values = np.sort(values, axis=None)
    elif kind == "misleading sample":
        values.ravel()[::SAMPLE_STEP] = values.max()
    assert percentile(values, percent) == np.percentile(values, [percent])[0]


@pytest.mark.parametrize("options", [{}, {"clahe_clip": 2.0}, {"unsharp": 0.7}, {"clahe_clip": 4.0, "unsharp": 1.0}])
@pytest.mark.parametrize("size", [(32, 32), (96, 80)])
def test_slices_stay_in_range_and_type(options, size):
    random = np.random.default_rng(0)
    volume = make_volume(random.normal(1000, 300, (5, 50, 60)))
    slices, _ = crop(volume.voxels, volume.spacing_mm, Recipe((15.0, 25.0, 30.0), size, **options))
    assert slices.shape == (5, *size)
    assert slices.dtype == np.float32
    assert slices.min() >= 0
    assert slices.max() <= 1
    assert slices.std() > 0.05


def test_a_map_comes_back_to_where_it_came_from():
    """A bright spot goes through the recipe; a map that is hot there is hottest on the spot in the source."""
    where = (3, 60, 100)
    volume = make_volume(bright_spot((7, 160, 200), where))
    slices, footprint = crop(volume.voxels, volume.spacing_mm, Recipe((21.0, 64.0, 64.0), (128, 128)))
    grid = slices.reshape(7, 16, 8, 16, 8).mean(axis=(2, 4))
    back = footprint.carry_back(grid)
    peak = np.unravel_index(back.argmax(), back.shape)
    assert peak[0] == 3
    # A cell of the 16 x 16 grid is 8 pixels wide: the peak lies within it.
    assert np.abs(np.subtract(peak, where)[1:]).max() <= 4


def test_a_recipe_can_be_centred_on_a_place():
    where = (5, 40, 150)
    volume = make_volume(bright_spot((12, 160, 200), where))
    box = tuple((place - 2, place + 3) for place in where)
    slices, footprint = crop(volume.voxels, volume.spacing_mm, Recipe((9.0, 16.0, 16.0), (32, 32)), box)
    assert (footprint.slices, footprint.rows, footprint.columns) == ((4, 7), (24, 56), (134, 166))
    assert slices[1, 14:19, 14:19].min() == 1
    assert slices.sum() == pytest.approx(25)


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(4, 40), st.integers(4, 40)),
    extent=st.tuples(st.floats(1, 30), st.floats(1, 40), st.floats(1, 40)),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_carrying_back_keeps_every_slices_sum(shape, extent, cells, seed):
    """Also where the crop reaches beyond the image, or is smaller than the grid."""
    footprint = block(shape, make_volume(np.zeros(shape)).spacing_mm, Recipe(extent, (8, 8)))
    first, stop = footprint.slices
    maps = np.random.default_rng(seed).normal(size=(2, stop - first, *cells)).astype(np.float32)
    back = footprint.carry_back(maps)
    assert back.shape == (2, *shape)
    outside = np.delete(back, np.arange(first, stop), axis=1)
    assert not outside.any()
    sums = back[:, first:stop].sum(axis=(2, 3), dtype=np.float64)
    assert sums == pytest.approx(maps.sum(axis=(2, 3), dtype=np.float64), abs=ROUNDING * float(np.abs(maps).sum()))


def test_a_map_can_lie_on_a_part_of_the_slices():
    """One hot cell of a 2 x 2 grid on the middle half of a crop: its centre is 3/8 or 5/8 of the way."""
    place = Footprint((1, 100, 200), (0, 1), (10, 90), (0, 160)).part((0.25, 0.75), (0.25, 0.75))
    assert (place.rows, place.columns) == ((30, 70), (40, 120))
    back = place.carry_back(np.array([[[0, 0], [1, 0]]], np.float32))[0]
    down, across = (
        np.average(np.arange(size) + 0.5, weights=back.sum(axis=1 - axis)) for axis, size in enumerate((100, 200))
    )
    assert (down, across) == (pytest.approx(60), pytest.approx(60))


def test_a_footprint_survives_json():
    footprint = Footprint((24, 320, 300), (2, 22), (-3.5, 200.25), (40, 260))
    assert Footprint.from_json(footprint.to_json()) == footprint


@pytest.mark.parametrize(
    "wrong",
    [
        {"extent_mm": (0.0, 1.0, 1.0)},
        {"size": (0, 8)},
        {"window": (50.0, 50.0)},
        {"window": (-1.0, 99.0)},
    ],
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(ValueError, match="a recipe needs"):
        Recipe(**{"extent_mm": (1.0, 1.0, 1.0), "size": (8, 8)} | wrong)
