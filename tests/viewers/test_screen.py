"""Pictures with known content: what is found in them is what was drawn."""

import cv2
import numpy as np
import pytest

from tests.viewers.screen import decoded, green, outlined, similarity, strongest

NOISE = np.random.default_rng(7)


def grey_picture(rows=300, columns=400):
    return np.repeat(NOISE.integers(0, 256, (rows, columns, 1), np.uint8), 3, axis=2)


def test_nothing_is_coloured_in_a_grey_picture_with_a_thin_green_line_and_letters():
    picture = grey_picture()
    cv2.line(picture, (10, 10), (300, 200), (0, 255, 0), 1)
    cv2.putText(picture, "L: 12.3 mm", (50, 250), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 0), 1)
    assert strongest(picture) is None


def test_the_strongest_of_two_regions_is_found_where_it_is():
    picture = grey_picture()
    cv2.circle(picture, (100, 80), 30, (180, 110, 100), -1)
    cv2.circle(picture, (300, 200), 12, (250, 150, 10), -1)
    region = strongest(picture)
    assert (region.x, region.y) == (pytest.approx(300, abs=1), pytest.approx(200, abs=1))
    assert region.strength == 240
    assert region.pixels == pytest.approx(np.pi * 12**2, rel=0.1)


def test_a_picture_is_recognised_in_any_size_and_place_and_another_one_is_not():
    shown = cv2.GaussianBlur(NOISE.integers(0, 256, (60, 80), np.uint8), (9, 9), 3)
    other = cv2.GaussianBlur(NOISE.integers(0, 256, (60, 80), np.uint8), (9, 9), 3)
    screen = np.zeros((500, 600, 3), np.uint8)
    screen[40:400, 60:540] = cv2.resize(shown, (480, 360), interpolation=cv2.INTER_LINEAR)[..., None]
    assert similarity(screen, shown) > 0.95
    assert similarity(screen, other) < 0.4
    assert similarity(np.zeros_like(screen), shown) == 0


def test_a_place_is_outlined_if_a_green_line_goes_around_it():
    picture = grey_picture()
    assert green(picture) == 0
    for start in range(0, 360, 5):  # OHIF's lines are dashed
        cv2.ellipse(picture, (180, 150), (80, 60), 0, start, start + 2, (0, 255, 0), 1, cv2.LINE_AA)
    assert green(picture) > 100
    assert outlined(picture, 180, 150)
    assert outlined(picture, 100, 150)
    assert not outlined(picture, 50, 50)
    picture[:, 170:190] = 90
    assert not outlined(picture, 200, 150)


def test_what_is_no_png_is_refused():
    with pytest.raises(ValueError, match="PNG"):
        decoded(b"no picture")
