"""What marks in a mask: values, colours and opacity; and what is refused because it isn't clear."""

import cv2
import numpy as np
import pytest

from data_prep.masks.marks import marked, marked_in_picture
from data_prep.masks.structures import UNNAMED, Shows
from tests.data_prep.masks.making import blob, grey

MASK = blob()
OTHER = blob(top=25, left=3)
RED, GREEN, WHITE = (255, 0, 0), (0, 128, 0), (255, 255, 255)


def coloured(*painted: tuple[np.ndarray, tuple[int, ...]], ground: tuple[int, ...] = (0, 0, 0)) -> np.ndarray:
    """A picture in colours, uint8 `[R, C, 3 or 4]`."""
    picture = np.empty((*MASK.shape, len(ground)), np.uint8)
    picture[:] = ground
    for mask, colour in painted:
        picture[mask] = colour
    return picture


def opaque(picture: np.ndarray, opacity: np.ndarray | int = 255) -> np.ndarray:
    """The picture with this opacity."""
    channel = np.full(MASK.shape, opacity, np.uint8) if np.isscalar(opacity) else np.where(opacity, 255, 0)
    return np.dstack([picture if picture.ndim == 3 else np.dstack([picture] * 3), channel.astype(np.uint8)])


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(MASK * np.uint8(255), id="grey"),
        pytest.param(MASK.astype(np.uint8), id="grey of 0 and 1"),
        pytest.param(MASK * np.uint16(65535), id="16 bit"),
        pytest.param(MASK * np.uint16(1), id="16 bit of 0 and 1"),
        pytest.param(coloured((MASK, WHITE)), id="grey in colours"),
        pytest.param(coloured((MASK, RED)), id="red"),
        pytest.param(coloured((MASK, (200, 90, 7))), id="brown"),
        pytest.param(coloured((MASK, (0, 0, 1))), id="hardly blue"),
        pytest.param(opaque(coloured((MASK, RED))), id="red, all opaque"),
        pytest.param(opaque(coloured((MASK, RED)), MASK), id="red where opaque"),
        pytest.param(opaque(coloured((MASK, RED), ground=WHITE), MASK), id="red on transparent white"),
        pytest.param(opaque(coloured(), MASK), id="black where opaque"),
        pytest.param(opaque(coloured(ground=WHITE), MASK), id="white where opaque"),
        pytest.param(opaque(coloured((MASK, (0, 0, 0)), ground=WHITE), MASK), id="black on transparent white"),
        pytest.param(opaque(grey(), MASK), id="the opacity of a picture"),
        pytest.param(opaque(coloured((MASK, RED)), ~np.zeros_like(MASK)), id="opacity without information"),
    ],
)
def test_what_carries_information_marks(picture):
    found = marked_in_picture(picture, UNNAMED)
    assert list(found) == ["acl"]
    np.testing.assert_array_equal(found["acl"], MASK)


@pytest.mark.parametrize("picture", [np.zeros_like(MASK, np.uint8), coloured(), opaque(coloured()), opaque(grey(), 0)])
def test_black_or_transparent_is_empty(picture):
    if picture.ndim == 3 and picture.shape[2] == 4 and not picture[..., 3].any():
        picture[..., :3] = 0
    assert not marked_in_picture(picture, UNNAMED)["acl"].any()


def test_smoothed_edges_are_refused_unless_a_threshold_says_what_they_mean():
    smooth = cv2.GaussianBlur(MASK * np.uint8(255), (0, 0), 1.0)
    with pytest.raises(ValueError, match=r"grey values between.*>126=acl"):
        marked_in_picture(smooth, UNNAMED)
    found = marked_in_picture(smooth, Shows.parsed(">127=pcl"))["pcl"]
    np.testing.assert_array_equal(found, smooth > 127)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", coloured((MASK, RED)))[1], cv2.IMREAD_UNCHANGED)
    with pytest.raises(ValueError, match="colours, so it is smoothed, or was saved as JPEG"):
        marked_in_picture(jpeg, UNNAMED)


def test_a_half_transparent_mask_is_between():
    picture = opaque(coloured((MASK, WHITE)))
    picture[12, 12:15, 3] = 128
    with pytest.raises(ValueError, match="it has the values 0, 128, 255"):
        marked_in_picture(picture, UNNAMED)


def test_several_values_need_meanings():
    labels = (MASK + 2 * OTHER).astype(np.uint8)
    with pytest.raises(ValueError, match=r"it has the values 0, 1, 2; write in column structure what each shows"):
        marked(labels, UNNAMED)
    found = marked(labels, Shows.parsed("1=femur|2=tibia"))
    np.testing.assert_array_equal(found["femur"], MASK)
    np.testing.assert_array_equal(found["tibia"], OTHER)
    assert list(marked(labels, Shows.parsed("1=femur|2=skip"))) == ["femur"]
    np.testing.assert_array_equal(marked(labels, Shows.parsed("1=menisci|2=menisci"))["menisci"], MASK | OTHER)
    with pytest.raises(ValueError, match=r"doesn't name its value 2; 2=skip leaves it out"):
        marked(labels, Shows.parsed("1=femur"))


def test_several_colours_need_meanings():
    picture = coloured((MASK, RED), (OTHER, GREEN))
    with pytest.raises(ValueError, match=r"several colours.*#008000=\.\.\.\|#ff0000="):
        marked_in_picture(picture, UNNAMED)
    found = marked_in_picture(picture, Shows.parsed("#FF0000=femur|#008000=tibia"))
    np.testing.assert_array_equal(found["femur"], MASK)
    np.testing.assert_array_equal(found["tibia"], OTHER)
    with pytest.raises(ValueError, match="names colours such as #ff0000, not 1"):
        marked_in_picture(picture, Shows.parsed("1=femur"))
    with pytest.raises(ValueError, match="doesn't name its value #008000"):
        marked_in_picture(picture, Shows.parsed("#ff0000=femur"))


def test_colours_and_opacity_that_disagree_are_refused():
    picture = opaque(coloured((MASK, RED), (OTHER, GREEN)), OTHER | blob(high=3))
    with pytest.raises(ValueError, match="its colours mark one region and its transparency another"):
        marked_in_picture(picture, UNNAMED)


def test_a_ground_that_isn_t_black_needs_meanings():
    picture = coloured((MASK, RED), ground=WHITE)
    with pytest.raises(ValueError, match=r"several colours.*#ff0000=\.\.\.\|#ffffff="):
        marked_in_picture(picture, UNNAMED)
    found = marked_in_picture(picture, Shows.parsed("#ff0000=acl|#ffffff=skip"))
    np.testing.assert_array_equal(found["acl"], MASK)
    with pytest.raises(ValueError, match=r"its values are 5 and 200, neither is 0; write 5=skip\|200=acl"):
        marked(np.where(MASK, 200, 5).astype(np.uint8), UNNAMED)


@pytest.mark.parametrize("dtype", [bool, "i2", "u1", "f4", "f8"])
def test_numbers_of_any_type_mark(dtype):
    np.testing.assert_array_equal(marked(MASK.astype(dtype), Shows("pcl"))["pcl"], MASK)


def test_probabilities_need_a_threshold():
    values = np.linspace(0, 1, MASK.size, dtype=np.float32).reshape(MASK.shape)
    with pytest.raises(ValueError, match=r">0\.5=acl"):
        marked(values, UNNAMED)
    assert marked(values, Shows.parsed(">0.5=acl"))["acl"].mean() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="isn't alone"):
        marked(values, Shows.parsed(">0.5=acl|1=pcl"))
    with pytest.raises(ValueError, match="names 'ligament', which is none of its values"):
        marked(values, Shows.parsed("ligament=acl"))
