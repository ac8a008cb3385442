"""Regions, flips and sizes, against arrays that show what is where."""

import numpy as np
import pytest
from werkzeug.exceptions import BadRequest

from app.dicomweb.representations.view import View
from app.dicomweb.representations.viewport import fitted

# Each pixel says where it is.
PLACES = (np.arange(6)[:, None] * 16 + np.arange(8)).astype(np.uint8)


def shown(text: str, picture: np.ndarray = PLACES) -> np.ndarray:
    return fitted(picture, View.rendered({"viewport": text}).viewport)


def test_the_whole_image_in_its_own_size_is_the_same():
    assert (shown("8,6") == PLACES).all()


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        ("16,12", (12, 16)),
        ("100,12", (12, 16)),  # the height is used up first
        ("16,100", (12, 16)),
        ("4,3", (3, 4)),
        ("4,4", (3, 4)),
        ("1,1", (1, 1)),
        ("4096,1", (1, 1)),
        ("4096,4096", (3072, 4096)),
    ],
)
def test_the_picture_is_as_large_as_fits_and_not_distorted(viewport, size):
    assert shown(viewport).shape == size
    assert shown(viewport, np.dstack([PLACES] * 3)).shape == (*size, 3)


@pytest.mark.parametrize(
    ("viewport", "region"),
    [
        ("3,2,2,1,3,2", PLACES[1:3, 2:5]),
        ("3,2,-2,-1,3,2", PLACES[1:3, 2:5]),
        ("6,5,2,1", PLACES[1:, 2:]),
        ("6,5,2,1,900,900", PLACES[1:, 2:]),
        ("3,2,2,1,-3,2", PLACES[1:3, 2:5][:, ::-1]),
        ("3,2,2,1,3,-2", PLACES[1:3, 2:5][::-1]),
        ("3,2,2,1,-3,-2", PLACES[1:3, 2:5][::-1, ::-1]),
        ("1,1,7,5,1,1", PLACES[5:, 7:]),
        ("1,1,7.6,5.6,0.1,0.1", PLACES[5:, 7:]),
    ],
)
def test_a_region_is_cut_out_and_flipped(viewport, region):
    assert (shown(viewport) == region).all()


@pytest.mark.parametrize("viewport", ["8,6,8,0", "8,6,0,6", "8,6,1e9,0,1,1"])
def test_a_region_outside_the_image_is_refused(viewport):
    with pytest.raises(BadRequest, match="outside"):
        shown(viewport)
