import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data_prep.augment.geometry import BEND_CELLS, BEND_LIMIT, Warp, bent, cropped, sheared, turned
from data_prep.augment.spline import DEGREE

SIZE = (80, 100)
CONTROL = (2, *(cells + DEGREE for cells in BEND_CELLS))
STILL = np.eye(3)
# Interpolating a blob moves its measured centre and axes by less than this, in pixels and degrees.
SUBPIXEL, DEGREES = 0.1, 0.5


def blob(row: float = 36.0, column: float = 58.0, long: float = 12.0, short: float = 4.0) -> np.ndarray:
    """One smooth ellipse `[1, H, W]`, longest along the columns."""
    rows, columns = np.indices(SIZE, np.float32)
    return np.exp(-(((rows - row) / short) ** 2 + ((columns - column) / long) ** 2) / 2)[None].astype(np.float32)


def centre(slices: np.ndarray) -> np.ndarray:
    """(row, column) of the first slice's centre of mass."""
    return np.array([(place * slices[0]).sum() / slices[0].sum() for place in np.indices(SIZE)])


def spread(slices: np.ndarray) -> np.ndarray:
    """Second moments `[2, 2]` of the first slice, in (column, row), as `np.cov` gives them."""
    rows, columns = np.indices(SIZE)
    return np.cov(np.stack([columns.ravel(), rows.ravel()]), aweights=slices[0].ravel())


def long_axis(slices: np.ndarray) -> float:
    """Degrees counter-clockwise, as one sees the picture, between the columns' direction and the blob's long axis."""
    across, down = np.linalg.eigh(spread(slices))[1][:, -1]
    return float(np.degrees(np.arctan(-down / across)))


@pytest.mark.parametrize("degrees", [-25, -3, 0, 10, 40])
def test_rotation_turns_by_its_angle(degrees):
    moved = Warp(turned(SIZE, degrees, 1, 0, 0)).slices(blob(40, 50))
    assert long_axis(moved) == pytest.approx(degrees, abs=DEGREES)
    assert centre(moved) == pytest.approx([40, 50], abs=SUBPIXEL)


def test_shift_goes_right_and_down_by_fractions_of_each_side():
    moved = Warp(turned(SIZE, 0, 1, 0.1, -0.05)).slices(blob(36, 58, 3, 3))
    assert centre(moved) == pytest.approx([36 - 0.05 * 80, 58 + 0.1 * 100], abs=SUBPIXEL)


def test_scale_enlarges_about_the_centre():
    moved = Warp(turned(SIZE, 0, 1.25, 0, 0)).slices(blob(40, 50, 8, 4))
    assert np.sqrt(np.diag(spread(moved))) == pytest.approx([1.25 * 8, 1.25 * 4], rel=0.02)
    assert centre(moved) == pytest.approx([40, 50], abs=SUBPIXEL)


@pytest.mark.parametrize("degrees", [-20, 15])
def test_shear_moves_each_row_by_its_height_over_the_centre(degrees):
    slope = np.tan(np.radians(degrees))
    for row in (20, 40, 65):
        moved = Warp(sheared(SIZE, degrees)).slices(blob(row, 50, 3, 3))
        assert centre(moved) == pytest.approx([row, 50 + slope * (row - 40)], abs=SUBPIXEL)


def test_crop_enlarges_a_window_to_the_whole_slice():
    """By hand: the lower right quarter, each of its pixels twice as large."""
    slices = np.random.default_rng(0).random((2, *SIZE), np.float32)
    moved = Warp(cropped(SIZE, 0.5, 1, 1)).slices(slices)
    expected = cv2.resize(slices[1, 40:, 50:], (100, 80), interpolation=cv2.INTER_LINEAR)
    # At the window's edges the pixels beyond it take part, so only the inside is the same.
    assert moved[1, 1:, 1:] == pytest.approx(expected[1:, 1:], abs=1e-4)


@given(st.floats(0.2, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_cropped_window_lies_within_the_slice(share, right, down):
    edges = np.array([[-0.5, -0.5, 1], [SIZE[1] - 0.5, SIZE[0] - 0.5, 1]])
    (left, top, _), (right_edge, bottom, _) = np.linalg.solve(cropped(SIZE, share, right, down), edges.T).T
    assert min(left, top) >= -0.5 - 1e-9
    assert right_edge <= SIZE[1] - 0.5 + 1e-9
    assert bottom <= SIZE[0] - 0.5 + 1e-9
    assert [right_edge - left, bottom - top] == pytest.approx([share * SIZE[1], share * SIZE[0]])


def turns_over(bend: np.ndarray) -> bool:
    """Whether the pixels' places fold: some Jacobian isn't positive."""
    rows, columns = np.indices(SIZE, np.float64)
    across, down = columns + bend[..., 0], rows + bend[..., 1]
    (across_row, across_column), (down_row, down_column) = np.gradient(across), np.gradient(down)
    return bool((across_column * down_row - across_row * down_column).min() <= 0)


@given(arrays(float, CONTROL, elements=st.sampled_from([-1.0, 1.0])))
def test_no_bend_within_the_limit_folds(signs):
    """Control points as far out as they may go, in any arrangement."""
    bend = bent(SIZE, BEND_LIMIT * signs)
    assert not turns_over(bend)
    assert (np.abs(bend).max(axis=(0, 1)) <= BEND_LIMIT * np.array([SIZE[1], SIZE[0]]) + 1e-4).all()


def test_far_beyond_the_limit_a_bend_does_fold():
    """The test above can fail: neighbours moved towards each other by five times the limit."""
    control = np.zeros(CONTROL)
    control[0] = np.where(np.arange(CONTROL[2]) % 2, -1, 1)
    assert turns_over(bent(SIZE, 5 * BEND_LIMIT * control))


def test_a_bend_moves_what_lies_there_by_as_much():
    warp = Warp(STILL, bent(SIZE, np.random.default_rng(4).uniform(-0.1, 0.1, CONTROL)))
    moved = centre(warp.slices(blob(36, 58, 2, 2)))
    row, column = moved.round().astype(int)
    right, down = warp.bend[row, column]
    assert np.hypot(right, down) > 1
    assert [moved[0] + down, moved[1] + right] == pytest.approx([36, 58], abs=0.5)


def test_bend_and_matrix_together_are_one_after_the_other():
    """One interpolation of the composed map shows what two in a row do, but for their extra softness."""
    slices = blob()
    matrix = cropped(SIZE, 0.9, 0.3, 0.8) @ turned(SIZE, 15, 1.1, 0.02, 0.03) @ sheared(SIZE, 5)
    bend = bent(SIZE, np.random.default_rng(1).uniform(-0.05, 0.05, CONTROL))
    together = Warp(matrix, bend).slices(slices)
    in_a_row = Warp(STILL, bend).slices(Warp(matrix).slices(slices))
    assert together == pytest.approx(in_a_row, abs=0.02)
    assert np.abs(together - slices).max() > 0.3


def test_no_bend_is_the_same_as_a_bend_of_nothing():
    slices = np.random.default_rng(0).random((2, *SIZE), np.float32)
    matrix = turned(SIZE, 12, 0.9, 0.1, 0)
    straight, unbent = Warp(matrix).slices(slices), Warp(matrix, np.zeros((*SIZE, 2), np.float32)).slices(slices)
    # OpenCV's warpAffine rounds places to 1/32 of a pixel in some versions.
    assert straight == pytest.approx(unbent, abs=1 / 16)
    assert np.abs(straight - unbent).mean() < 0.005


def test_beyond_the_edge_slices_repeat_it_and_masks_are_empty():
    warp = Warp(turned(SIZE, 0, 1, 0.2, 0))
    assert (warp.slices(np.ones((1, *SIZE), np.float32)) == 1).all()
    mask = warp.mask(np.ones((1, *SIZE), bool))
    assert mask.dtype == bool
    assert not mask[:, :, :20].any()
    assert mask[:, :, 20:].all()
