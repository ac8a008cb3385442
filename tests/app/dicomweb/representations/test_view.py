"""The query of a rendered resource: what is taken, and what is refused with a sentence."""

import pytest
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest

from app.dicomweb.representations.view import MOST_SIDE, QUALITY, THUMBNAIL, View, Viewport, Window, ignored


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40,400,linear", (40, 400, "LINEAR")),
        ("-40.5,1,linear", (-40.5, 1, "LINEAR")),
        ("0,0.25,linear-exact", (0, 0.25, "LINEAR_EXACT")),
        ("1e3,5E-1,SIGMOID", (1000, 0.5, "SIGMOID")),
    ],
)
def test_a_window(text, expected):
    window = View.rendered({"window": text}).window
    assert (window.centre, window.width, window.function) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "40", "40,400", "40,400,", ",,linear", "40,400,linear,1", "40,400,cubic", "40;400;linear"),
        *("nan,400,linear", "inf,400,linear", "1e400,400,linear", "40,0,linear", "40,-1,sigmoid", "40,0.5,linear"),
        *("40,0,linear-exact", "０,400,linear", "0x10,400,linear", "9" * 400 + ",1,linear", "1_0,400,linear"),
    ],
)
def test_what_is_no_window(text):
    with pytest.raises(BadRequest, match="window must be centre,width,function"):
        View.rendered({"window": text})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512,256", (512, 256, 0, 0, None, None)),
        ("512,256,", (512, 256, 0, 0, None, None)),
        ("512,512,,,100,50", (512, 512, 0, 0, 100, 50)),
        ("1,1,10.5,20", (1, 1, 10.5, 20, None, None)),
        (f"{MOST_SIDE},1,-10,-20,-30.5,-40", (MOST_SIDE, 1, 10, 20, -30.5, -40)),
    ],
)
def test_a_viewport(text, expected):
    assert tuple(View.rendered({"viewport": text}).viewport.model_dump().values()) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "512", ",512", "0,512", "512,0", "-1,5", "1.5,5", f"{MOST_SIDE + 1},1", "1,100000000000", "a,b"),
        *("1,1,x", "1,1,nan", "1,1,0,0,0,5", "1,1,0,0,5,0", "1,1,0,0,1,1,1", "1,1,0,0,1,1,"),
    ],
)
def test_what_is_no_viewport(text):
    with pytest.raises(BadRequest, match="viewport must be width,height"):
        View.rendered({"viewport": text})


@pytest.mark.parametrize(("text", "quality"), [("1", 1), ("100", 100), (None, QUALITY)])
def test_a_quality(text, quality):
    assert View.rendered({} if text is None else {"quality": text}).quality == quality


@pytest.mark.parametrize("text", ["", "0", "101", "-5", "50.5", "best", "9" * 5000])
def test_what_is_no_quality(text):
    with pytest.raises(BadRequest, match="from 1 to 100"):
        View.rendered({"quality": text})


def test_a_thumbnail_has_a_size_and_nothing_else():
    assert View.thumbnail({"window": "x", "quality": "x"}) == View(viewport=Viewport(width=THUMBNAIL, height=THUMBNAIL))
    assert View.thumbnail({"viewport": "32,16"}).viewport == Viewport(width=32, height=16)
    for text in ("32", "32,16,0,0", "0,16", ""):
        with pytest.raises(BadRequest, match="viewport of a thumbnail"):
            View.thumbnail({"viewport": text})


def test_a_view_is_the_same_after_its_way_to_another_process():
    view = View.rendered({"window": "1.5,20,sigmoid", "viewport": "5,6,1,2,-3,4", "quality": "7"})
    assert View.model_validate(view.model_dump()) == View.model_validate_json(view.model_dump_json()) == view
    with pytest.raises(ValidationError):
        View.model_validate({"surplus": 1})
    with pytest.raises(ValidationError):
        Window(centre=float("nan"), width=1.0, function="LINEAR")


def test_what_is_ignored_is_told_without_the_client_s_own_words():
    assert ignored(["window", "accept"], ("accept", "window")) is None
    assert ignored(["annotation", "iccprofile"], ()).endswith(": annotation, iccprofile.")
    assert ignored(['Quibble"\r\n', "window", "_"], ("window",)).endswith(": 2 others.")
