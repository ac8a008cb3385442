import cv2
import numpy as np
import pytest

from app.results import render
from app.results.colour_scale import Bounds
from data_prep.limits import MOST_SIDE
from tests.data_prep.dicom_factory import bounded_memory


def scale_of(volume_map: np.ndarray, threshold: float | None = None) -> render.Scale:
    """By its own peak."""
    peak = max(float(volume_map.max()), 0.0)
    return render.Scale.of(np.ones_like(volume_map), Bounds(peak, threshold, peak, 1.0))


def test_an_empty_map_does_not_glow():
    for nothing in (np.zeros((3, 4, 5), np.float32), np.full((3, 4, 5), -2, np.float32)):
        glow = render.glow(nothing[0], scale_of(nothing))
        assert not glow.any()
        assert not render.heatmap(glow)[..., 3].any()


def test_glow_is_scaled_by_the_volume_and_not_by_the_slice():
    volume_map = np.zeros((2, 3, 3), np.float32)
    volume_map[0, 1, 1], volume_map[1, 1, 1], volume_map[1, 0, 0] = 8, 2, -100
    first, second = (render.glow(plane, scale_of(volume_map)) for plane in volume_map)
    assert (first[1, 1], second[1, 1], second[0, 0]) == (1, 0.25, 0)


def test_below_the_threshold_nothing_glows():
    volume_map = np.array([[[8, 4, np.nextafter(np.float32(4), np.float32(0)), -8]]], np.float32)
    glow = render.glow(volume_map[0], scale_of(volume_map, 4.0))
    assert glow.tolist() == [[1, 0.5, 0, 0]]
    assert render.heatmap(glow)[0, :, 3].tolist() == [255, 128, 0, 0]


def test_stronger_is_brighter():
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    coloured = render.heatmap(ramp)
    luminance = cv2.cvtColor(coloured[..., :3], cv2.COLOR_BGR2LAB)[0, :, 0].astype(int)
    assert (np.diff(luminance) >= -1).all()
    assert luminance[-1] - luminance[0] > 200
    assert (coloured[0, :, 3] == np.arange(256)).all()


def test_the_largest_picture_takes_bounded_memory():
    slice_, plane = np.zeros((MOST_SIDE, MOST_SIDE), np.uint8), np.zeros((MOST_SIDE, MOST_SIDE), np.float32)
    with bounded_memory(500 << 20):
        assert len(render.png(render.overlay(slice_, plane, 0.5))) < 1 << 20


def test_a_blank_volume_is_black():
    blank = np.full((2, 8, 8), 7, np.float32)
    assert not render.grey(blank[0], render.Scale.of(blank, Bounds(0.0, None, 0.0, 1.0))).any()


@pytest.mark.parametrize(("threshold", "said"), [(None, render.OWN_SCALE), (9.0, render.NO_REGION), (8.0, "")])
def test_what_every_picture_must_say(threshold, said):
    assert scale_of(np.array([[[8, 4]]], np.float32), threshold).said == said


@pytest.mark.parametrize("said", [render.OWN_SCALE, render.NO_REGION])
@pytest.mark.parametrize("shape", [(96, 80), (256, 256), (640, 200)])
def test_a_line_above_the_notice_is_readable_and_leaves_the_notice(shape, said):
    plane, nothing = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    plain, both = render.overlay(plane, nothing, 0.5), render.overlay(plane, nothing, 0.5, said)
    notice = np.flatnonzero(plain.any(axis=(1, 2)))
    rows = np.flatnonzero((both != plain).any(axis=(1, 2)))
    assert rows.max() < notice.min()
    assert rows.min() > shape[0] // 2
    assert not both[:, -1].any()
    assert both.max() > 200


@pytest.mark.parametrize("shape", [(40, 30), (256, 256), (640, 200)])
def test_the_notice_fits(shape):
    """White on every kind of ground, and not cut off at either side."""
    for ground in (0, 255):
        plane = np.full(shape, ground, np.uint8)
        burnt = render.overlay(plane, np.zeros(shape, np.float32), 0.5) != ground
        assert burnt.any()
        assert not burnt[:, -1].any()
        assert not burnt[: shape[0] // 2].any()


def test_a_contact_sheet_holds_every_picture():
    pictures = [np.full((30, 40, 3), 10 * index, np.uint8) for index in range(1, 8)]
    sheet = render.contact_sheet(pictures, [str(index) for index in range(1, 8)], columns=3)
    assert sheet.shape == (3 * 50, 3 * 44, 3)
    assert {10 * index for index in range(1, 8)} <= set(np.unique(sheet))


def test_a_png_comes_back():
    picture = np.random.default_rng(1).integers(0, 256, (20, 30, 4), np.uint8)
    back = cv2.imdecode(np.frombuffer(render.png(picture), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (back == picture).all()
