"""Views: the field of view in mm, orientations, and bends that don't fold."""

import dataclasses

import numpy as np
import pytest

from data_prep.phantom.tissues import NUMBERS
from data_prep.randomise import LabelMap
from data_prep.randomise.geometry import FINE, draw_view, oriented
from tests.data_prep.randomise.test_sample import PLAIN


def test_a_view_has_the_field_of_view_that_was_drawn(knees: list[LabelMap]) -> None:
    for width in (60.0, 150.0):
        ranges = dataclasses.replace(PLAIN, usual_mm=(width, width))
        view = draw_view(knees[0], (64, 64), ranges, np.random.default_rng(1))
        steps = np.diff(view.across, axis=1) * knees[0].spacing_mm[2]
        assert view.across.shape == (FINE * 64, FINE * 64)
        assert view.pixel_mm == pytest.approx(width / 64)
        assert steps == pytest.approx(width / 64 / FINE, rel=1e-3)


def test_without_any_change_a_view_shows_the_map_itself(knees: list[LabelMap]) -> None:
    side = knees[0].tissues.shape[1]
    extent = side * knees[0].spacing_mm[1]
    ranges = dataclasses.replace(PLAIN, usual_mm=(extent, extent))
    view = draw_view(knees[0], (side, side), ranges, np.random.default_rng(2))
    shift = round(float(view.across[0, 0])), round(float(view.down[0, 0]))
    shown, plane = view.look(knees[0])[::FINE, ::FINE], knees[0].tissues[view.index]
    row, column = np.argwhere(plane == NUMBERS["acl"])[0]
    assert (
        shown[row - shift[1] - 1 : row - shift[1] + 2, column - shift[0] - 1 : column - shift[0] + 2] == NUMBERS["acl"]
    ).any()
    assert (shown == NUMBERS["acl"]).sum() == pytest.approx((plane == NUMBERS["acl"]).sum(), rel=0.05)


def test_beyond_the_map_there_is_air(knees: list[LabelMap]) -> None:
    ranges = dataclasses.replace(PLAIN, usual_mm=(400.0, 400.0))
    shown = draw_view(knees[0], (32, 32), ranges, np.random.default_rng(3)).look(knees[0])
    assert (shown[0] == NUMBERS["air"]).all()
    assert shown.any()


def test_a_bend_does_not_fold_the_picture(knees: list[LabelMap]) -> None:
    ranges = dataclasses.replace(PLAIN, bend_mm=(30.0, 30.0), usual_mm=(80.0, 80.0))
    for seed in range(5):
        view = draw_view(knees[0], (64, 64), ranges, np.random.default_rng(seed))
        right, down = np.gradient(view.across), np.gradient(view.down)
        assert (right[1] * down[0] - right[0] * down[1] > 0).all()
        assert np.ptp(np.diff(view.across, axis=1)) > 0.01


def test_the_eight_orientations_are_those_of_a_square() -> None:
    image = np.arange(9).reshape(3, 3)
    turned = {oriented(image, orientation).tobytes() for orientation in range(8)}
    assert len(turned) == 8
    assert turned == {side.tobytes() for turn in range(4) for side in map(np.ascontiguousarray, _both(image, turn))}
    assert np.array_equal(oriented(image, 1), image[:, ::-1])


def _both(image: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
    return np.rot90(image, turn), np.rot90(image[:, ::-1], turn)


def test_thick_slices_mix_their_neighbours(knees: list[LabelMap]) -> None:
    for thickness, beside in ((0.0, 0.0), (2 * knees[0].spacing_mm[0], 0.5), (99.0, 1.0)):
        ranges = dataclasses.replace(PLAIN, thickness_mm=(thickness, thickness))
        assert draw_view(knees[0], (32, 32), ranges, np.random.default_rng(4)).beside == pytest.approx(beside)
