import dataclasses
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.augment import Augmentation, Draw
from data_prep.augment.augmentation import LIMITS
from data_prep.boxes import bounding_box, filled
from data_prep.network_input.crop import crop
from data_prep.network_input.recipe import Recipe
from data_prep.phantom import generate

PLACES = {
    "rotation_degrees": 25.0,
    "shift": 0.08,
    "scale": 0.2,
    "shear_degrees": 15.0,
    "crop": 0.15,
    "elastic": 0.08,
}
LOOKS = {"gamma": 0.4, "shading": 0.5, "blur_pixels": 1.5, "noise": 0.05}
GEOMETRIC = Augmentation(**PLACES)
STRONG = Augmentation(**PLACES, **LOOKS, drop=0.2)
# The ligament is a dozen pixels thick: a mask that is off by half a pixel along its outline has a Dice of about 0.9.
SAME_PLACE = 0.9


@cache
def knee() -> tuple[np.ndarray, np.ndarray]:
    """A healthy knee's slices `[S, 112, 112]` and its ligament, bool, on the same grid."""
    phantom = generate(101, "healthy")
    volume, recipe = phantom.to_volume(), Recipe((60.0, 80.0, 80.0), (112, 112))
    ligament, whole = phantom.acl.astype(np.float32), dataclasses.replace(recipe, window=(0.0, 100.0))
    shares, _ = crop(ligament, volume.spacing_mm, whole)
    return crop(volume.voxels, volume.spacing_mm, recipe)[0], shares >= 0.5


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def noise(shape: tuple[int, int, int] = (3, 32, 40)) -> np.ndarray:
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_the_ligament_mask_still_lies_on_the_ligament(seed):
    """The ligament painted white into the slices is where its mask says, after the same draw for both."""
    slices, ligament = knee()
    draw = GEOMETRIC.draw(slices.shape, np.random.default_rng(seed))
    moved = draw.mask(ligament)
    white = draw.slices(np.where(ligament, np.float32(1), slices / 2)) > 0.7
    assert dice(white, moved) > SAME_PLACE
    assert dice(white, ligament) < 0.7
    left_out = ligament.any(axis=(1, 2)) & ~moved.any(axis=(1, 2))
    assert not left_out.any()


@pytest.mark.parametrize("seed", range(8))
def test_the_mask_shows_the_same_tissue_as_before(seed):
    slices, ligament = knee()
    draw = GEOMETRIC.draw(slices.shape, np.random.default_rng(seed))
    seen = draw.slices(slices)
    before, after, elsewhere = slices[ligament], seen[draw.mask(ligament)], seen[ligament]
    levels = (10, 50, 75)
    assert np.percentile(after, levels) == pytest.approx(np.percentile(before, levels), abs=0.03)
    assert np.abs(np.percentile(elsewhere, levels) - np.percentile(before, levels)).max() > 0.06


@pytest.mark.parametrize("seed", range(8))
def test_a_box_holds_the_moved_mask_and_little_more(seed):
    _, ligament = knee()
    draw = GEOMETRIC.draw(ligament.shape, np.random.default_rng(seed))
    old, new = bounding_box(ligament), bounding_box(draw.mask(ligament))
    moved = draw.box(old)
    assert all(start <= low and high <= stop for (low, high), (start, stop) in zip(new, moved, strict=True))
    assert moved[0] == old[0]
    area = [np.prod([stop - start for start, stop in box[1:]]) for box in (old, moved)]
    assert area[1] < 2.5 * area[0]


def test_a_box_that_leaves_the_picture_is_none():
    away = Augmentation(shift=1.0)
    draws = [away.draw((2, 50, 50), np.random.default_rng(seed)) for seed in range(20)]
    corner = (0, 2), (2, 8), (2, 8)
    boxes = [draw.box(corner) for draw in draws]
    assert None in boxes
    assert any(box is not None for box in boxes)
    for draw, box in zip(draws, boxes, strict=True):
        assert (box is None) == (not draw.mask(filled(corner, (2, 50, 50))).any())


def test_every_slice_moves_alike():
    """Equal slices stay equal: one draw for the whole volume."""
    plane = np.random.default_rng(0).random((32, 32), np.float32)
    alike = dataclasses.replace(GEOMETRIC, gamma=0.4, blur_pixels=1.0)
    moved = alike.apply(np.stack([plane] * 5), np.random.default_rng(1))
    assert all(np.array_equal(moved[0], other) for other in moved)
    assert not np.array_equal(moved[0], plane)


def test_draws_follow_the_seed():
    first, again, other = (STRONG.apply(noise(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("blur_pixels", lambda draw: draw.appearance.blur_pixels),
        ("noise", lambda draw: draw.appearance.noise),
        ("shading", lambda draw: np.abs(np.log(draw.appearance.shading)).max()),
        ("gamma", lambda draw: abs(np.log(draw.appearance.exponent))),
        ("crop", lambda draw: 1 - 1 / draw.warp.matrix[0, 0]),
        ("scale", lambda draw: abs(draw.warp.matrix[0, 0] - 1)),
        ("shear_degrees", lambda draw: abs(np.degrees(np.arctan(draw.warp.matrix[0, 1])))),
    ],
)
def test_strengths_are_drawn_evenly_from_nothing_to_the_range(name, drawn):
    augmentation, most = Augmentation(**{name: 0.4}), 0.4
    strengths = [drawn(augmentation.draw((2, 16, 16), np.random.default_rng(seed))) for seed in range(200)]
    assert max(strengths) <= most * (1 + 1e-5)
    assert np.percentile(strengths, [25, 50, 75]) == pytest.approx([0.25 * most, 0.5 * most, 0.75 * most], abs=0.05)


def test_one_draw_used_twice_does_the_same_twice():
    draw = STRONG.draw((3, 32, 40), np.random.default_rng(1))
    assert np.array_equal(draw.slices(noise()), draw.slices(noise()))
    assert np.array_equal(draw.mask(noise() > 0.5), draw.mask(noise() > 0.5))


def test_successive_draws_of_one_generator_differ_in_everything():
    random = np.random.default_rng(1)
    for name in (*PLACES, *LOOKS):
        only = Augmentation(**{name: {**PLACES, **LOOKS}[name]})
        assert not np.array_equal(only.apply(noise(), random), only.apply(noise(), random)), name


def test_no_range_changes_nothing():
    draw = Augmentation().draw((3, 32, 40), np.random.default_rng(1))
    assert np.array_equal(draw.slices(noise()), noise())
    assert np.array_equal(draw.mask(noise() > 0.5), noise() > 0.5)
    assert draw.box(((0, 2), (3, 9), (5, 40))) == ((0, 2), (3, 9), (5, 40))


@pytest.mark.parametrize("seed", range(20))
def test_rotation_shift_scale_and_gamma_are_what_the_demo_bundle_learnt_from(seed):
    """Bit for bit: five uniforms in this order and these calls, written out."""
    slices = noise((4, 48, 40))
    demo = Augmentation(rotation_degrees=12.0, shift=0.06, scale=0.1, gamma=0.2)
    turn, down, right, zoom, bend = np.random.default_rng(seed).uniform(-1, 1, 5)
    matrix = cv2.getRotationMatrix2D((40 / 2, 48 / 2), turn * 12.0, 1 + zoom * 0.1)
    matrix[:, 2] += right * 0.06 * 40, down * 0.06 * 48
    moved = [cv2.warpAffine(plane, matrix, (40, 48), borderMode=cv2.BORDER_REPLICATE) for plane in slices]
    expected = np.power(np.stack(moved), np.float32(np.exp(bend * 0.2))).astype(np.float32)
    random = np.random.default_rng(seed)
    assert np.array_equal(demo.apply(slices, random), expected)
    assert random.random() == np.random.default_rng(seed).random(6)[5]  # nothing else was taken from the generator


def parts(draw: Draw) -> dict[str, object]:
    """What was drawn, by the range that it was drawn from; the places' five become one matrix."""
    look = draw.appearance
    return {
        "matrix": draw.warp.matrix,
        "elastic": draw.warp.bend,
        "gamma": look.exponent,
        "shading": look.shading,
        "blur_pixels": look.blur_pixels,
        "noise": look.noise,
        "grain": look.seed,
        "drop": draw.kept,
    }


@pytest.mark.parametrize("name", [*PLACES, *LOOKS, "drop"])
def test_switching_one_off_leaves_the_draws_of_the_others(name):
    every, fewer = (
        parts(augmentation.draw((9, 32, 40), np.random.default_rng(5)))
        for augmentation in (STRONG, dataclasses.replace(STRONG, **{name: 0.0}))
    )
    changed = {part for part in every if not np.array_equal(every[part], fewer[part])}
    assert changed == {name if name in every else "matrix"}


@pytest.mark.parametrize("seed", range(20))
def test_a_knee_is_never_mirrored_and_slices_keep_their_order(seed):
    """Three lights at the corners of a triangle keep their sense of rotation; a light goes up with each slice."""
    slices = np.zeros((5, 96, 96), np.float32)
    for value, (row, column) in zip((0.3, 0.6, 0.9), ((34, 36), (34, 62), (62, 40)), strict=True):
        slices[:, row - 3 : row + 4, column - 3 : column + 4] = value
    slices *= np.linspace(0.8, 1, 5, dtype=np.float32)[:, None, None]
    moved = GEOMETRIC.apply(slices, np.random.default_rng(seed))
    first, second, third = (np.argwhere(np.abs(moved[-1] - value) < 0.02).mean(axis=0) for value in (0.3, 0.6, 0.9))
    (down, right), (down_too, right_too) = second - first, third - first
    assert right * down_too - down * right_too > 0
    assert (np.diff(moved.max(axis=(1, 2))) > 0).all()


def test_slices_are_lost_as_often_as_said_and_their_masks_with_them():
    lossy = Augmentation(drop=0.3)
    draws = [lossy.draw((20, 8, 8), np.random.default_rng(seed)) for seed in range(200)]
    assert np.mean([~draw.kept for draw in draws]) == pytest.approx(0.3, abs=0.02)
    draw = draws[0]
    seen, mask = draw.slices(np.ones((20, 8, 8), np.float32)), draw.mask(np.ones((20, 8, 8), bool))
    assert 0 < draw.kept.sum() < 20
    assert np.array_equal((seen == 1).all(axis=(1, 2)), draw.kept)
    assert np.array_equal((seen == 0).all(axis=(1, 2)), ~draw.kept)
    assert np.array_equal(mask.all(axis=(1, 2)), draw.kept)
    assert np.array_equal(mask.any(axis=(1, 2)), draw.kept)


def test_never_all_slices_are_lost():
    nearly_all = Augmentation(drop=0.99)
    kept = np.array([nearly_all.draw((4, 8, 8), np.random.default_rng(seed)).kept for seed in range(100)])
    assert (kept.sum(axis=1) >= 1).all()
    assert kept.sum(axis=1).mean() < 1.2
    assert kept.any(axis=0).all()  # the one that stays isn't always the same


def test_a_draw_is_for_its_shape_only():
    draw = STRONG.draw((3, 32, 40), np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"for slices of \(3, 32, 40\), not of \(3, 40, 32\)"):
        draw.slices(noise((3, 40, 32)))
    with pytest.raises(ValueError, match=r"not of \(2, 32, 40\)"):
        draw.mask(noise((2, 32, 40)) > 0.5)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Augmentation)])
def test_a_range_that_makes_no_sense_is_refused_by_name(name):
    wrong = [-0.1, float("nan"), float("inf"), *([LIMITS[name]] if name in LIMITS else [])]
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{name} must be from 0 to below"):
            Augmentation(**{name: value})


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.fixed_dictionaries({name: st.floats(0, value) for name, value in {**PLACES, **LOOKS, "drop": 0.9}.items()}),
    st.tuples(st.integers(1, 6), st.integers(8, 40), st.integers(8, 40)),
    st.integers(0, 2**32),
)
def test_any_draw_keeps_shape_type_and_range_and_box_and_mask_agree(ranges, shape, seed):
    slices = np.random.default_rng(seed).random(shape, np.float32)
    mask = slices > 0.8
    draw = Augmentation(**ranges).draw(shape, np.random.default_rng(seed))
    seen, moved = draw.slices(slices), draw.mask(mask)
    assert (seen.shape, seen.dtype) == (shape, np.float32)
    assert (moved.shape, moved.dtype) == (shape, bool)
    assert 0 <= seen.min() <= seen.max() <= 1
    assert np.linalg.det(draw.warp.matrix) > 0
    if moved.any():
        inside = draw.box(bounding_box(mask))
        found = bounding_box(moved)
        assert all(start <= low and high <= stop for (low, high), (start, stop) in zip(found, inside, strict=True))
