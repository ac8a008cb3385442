"""Fingers, cine, angles, turning and the localiser's box: what readers do with a slice and see on it."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from data_prep.labels import FOUR_CLASS
from data_prep.network_input.located import Located
from models.bundle import write_bundle
from models.calibration import Calibration
from models.segment.localiser import LOCALISERS
from tests.app.studies import COLUMNS, ROWS, SLICES, SPACING_MM, instances, study_zip, voxels, zipped
from tests.app.viewer.conftest import WAIT_MS
from tests.app.viewer.study_page import TWO_FRAMES, at, inside, seen, set_range, show
from tests.app.viewer.truth import Screen
from tests.loopback import served
from tests.models.conftest import PROVENANCE, RECIPE, tiny_mrnet

pytestmark = pytest.mark.slow

ZIP = {"content_type": "application/zip"}
MIDDLE = SLICES // 2
# CSS pixels that a finger moves for a slice (gestures.js).
FINGER_STEP = 14
# Rows and columns of a bright block that lies towards head and front.
BLOCK = slice(8, 24), slice(12, 28)
BOX = ((4, 9), (20, 61), (30, 55))
# The line around it: more green than red (viewport.js).
GREEN, LINE = 60, 2
# Notes what is written on canvases and where; the test empties the list.
NOTE = """() => {
  window.written = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    window.written.push([text, x / this.canvas.width, y / this.canvas.height]);
    return write.call(this, text, x, y);
  };
}"""


@pytest.fixture
def opened(make_app) -> Iterator[Callable[..., None]]:
    """Opens the page of a study."""
    app = make_app()
    with served(app) as origin:

        def open_(page: Page, study: bytes = b"") -> None:
            answer = app.test_client().post("/v1/predictions", data=study or study_zip(), **ZIP).json
            show(page, origin, answer["id"])

        yield open_


class Fingers:
    """Fingers on the screen of a page."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def _send(self, kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def move(self, starts: np.ndarray, ends: np.ndarray, steps: int = 10) -> None:
        """Put them down, move them, and lift them. Places are `[fingers, 2]`."""
        self._send("touchStart", *starts.tolist())
        for step in range(1, steps + 1):
            self._send("touchMove", *(starts + (ends - starts) * step / steps).tolist())
        self._send("touchEnd")

    def one_after_the_other(self, starts: np.ndarray, ends: np.ndarray) -> None:
        """Put them down and lift them as people do: never both at once."""
        self._send("touchStart", *starts[:1].tolist())
        self._send("touchStart", *starts.tolist())
        for step in range(1, 6):
            self._send("touchMove", *(starts + (ends - starts) * step / 5).tolist())
        self._send("touchEnd", *ends[:1].tolist())
        self._send("touchEnd")


def centre(page: Page) -> np.ndarray:
    box = page.locator(".view").bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def test_one_finger_scrolls_and_two_zoom_and_move(opened, new_page):
    page = new_page(has_touch=True)
    opened(page)
    fingers, middle = Fingers(page), centre(page)
    at(page, MIDDLE)
    window = inside(page, "page.active.window")
    fingers.move(middle[None], middle[None] + [[0, 3 * FINGER_STEP]])
    at(page, MIDDLE + 3)
    fingers.move(middle[None], middle[None] - [[0, 5 * FINGER_STEP]])
    at(page, MIDDLE - 2)
    starts = middle + np.array([[-40, -30], [60, 30]])
    ends = middle + np.array([[-110, -45], [90, 75]])
    under = [voxel(page, place) for place in starts]
    fingers.move(starts, ends, steps=3)
    wider = np.hypot(*(ends[1] - ends[0])) / np.hypot(*(starts[1] - starts[0]))
    assert inside(page, "page.column.viewport.view.zoom") == pytest.approx(wider, rel=0.01)
    # The tissue between the fingers stays between them.
    assert voxel(page, ends.mean(axis=0)) == pytest.approx(np.mean(under, axis=0), abs=0.1)
    at(page, MIDDLE - 2)
    assert inside(page, "page.active.window") == window
    # The page itself neither scrolls nor zooms.
    assert page.evaluate("[scrollX, scrollY, visualViewport.scale]") == [0, 0, 1]


def voxel(page: Page, place: np.ndarray) -> np.ndarray:
    x, y = place.tolist()
    return np.array(inside(page, f"page.column.viewport.voxel({{ clientX: {x}, clientY: {y} }})"))


def test_a_finger_draws_when_it_holds_a_brush(opened, new_page):
    page = new_page(has_touch=True)
    opened(page)
    page.get_by_role("button", name="Brush").click()
    middle = centre(page)
    Fingers(page).move(middle[None], middle[None] + [[0, 60]])
    expect(page.locator("#review")).to_contain_text(f"Drawn on slices: {MIDDLE + 1}")
    at(page, MIDDLE)


@pytest.mark.parametrize("tool", ["Brush", "Box", "Distance"])
def test_two_fingers_zoom_also_with_a_tool_in_the_hand_and_leave_nothing(opened, new_page, tool):
    page = new_page(has_touch=True)
    opened(page)
    page.get_by_role("button", name=tool).click()
    middle = centre(page)
    for _ in range(2):
        Fingers(page).one_after_the_other(
            middle + np.array([[-20, 0], [20, 0]]), middle + np.array([[-40, 0], [40, 0]])
        )
    assert inside(page, "page.column.viewport.view.zoom") == pytest.approx(4, rel=0.01)
    expect(page.locator("#review")).to_contain_text("Nothing is drawn")
    assert inside(page, "page.column.measure.made.length") == 0
    assert inside(page, "page.column.viewport.layers.every((one) => !one.box)")


def test_cine_runs_through_all_slices_begins_anew_and_stops(opened, page):
    opened(page)
    page.keyboard.press("End")
    at(page, SLICES - 1)
    page.evaluate(
        """() => {
          const { dataset } = document.querySelector(".source");
          window.slices = [];
          const note = new MutationObserver(() => window.slices.push(Number(dataset.slice)));
          note.observe(document.querySelector(".source"), { attributeFilter: ["data-slice"] });
        }"""
    )
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Cine")).to_have_attribute("aria-pressed", "true")
    wait_until(page, f"window.slices.length > {SLICES + 2}")
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Cine")).to_have_attribute("aria-pressed", "false")
    page.evaluate(TWO_FRAMES)
    ran = page.evaluate("window.slices")
    assert ran == [number % SLICES for number in range(len(ran))]
    page.wait_for_timeout(300)
    assert page.evaluate("window.slices") == ran


def wait_until(page: Page, is_so: str) -> None:
    """Playwright's own wait evaluates a text, which the page's policy forbids."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(is_so):
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_an_angle_is_that_in_the_patient(opened, page):
    """Pixels aren't square here, so angles on the grid of pixels are others."""
    opened(page)
    x, y = centre(page).round().tolist()
    page.keyboard.press("a")
    for right, down in ((80, 0), (0, 0), (60, -60)):
        page.mouse.click(x + right, y + down)
    page.get_by_role("button", name="Angle").click()
    page.get_by_role("button", name="Angle").click()
    for right, down in ((-100, 0), (0, 0), (50, -86.6)):
        page.mouse.click(x + right, y + down)
    made = inside(page, "page.column.measure.made.map((one) => page.column.measure.text(one))")
    assert [float(text.removesuffix("°")) for text in made] == pytest.approx([45.0, 120.0], abs=0.5)
    assert all(text in texts(page) for text in made)
    page.keyboard.press("r")
    page.keyboard.press("+")
    assert all(text in texts(page) for text in made)  # a view changes no measurement
    page.keyboard.press("End")
    at(page, SLICES - 1)
    assert not any(text in texts(page) for text in made)


def texts(page: Page) -> list[str]:
    """What is written on the canvas now."""
    return [text for text, _, _ in written(page)]


def written(page: Page) -> list[Any]:
    if page.evaluate("window.written === undefined"):
        page.evaluate(NOTE)
    page.evaluate("window.written.length = 0")
    inside(page, "page.column.viewport.redraw()")
    page.evaluate(TWO_FRAMES)
    return page.evaluate("window.written")


@pytest.mark.parametrize(
    ("keys", "letters"),
    [
        ("", "PFAH"),
        ("r", "HPFA"),
        ("l", "FAHP"),
        ("rr", "AHPF"),
        ("h", "AFPH"),
        ("v", "PHAF"),
        ("rh", "FPHA"),
        ("rv", "HAFP"),
        ("hv", "AHPF"),
        ("rhl", "PHAF"),
    ],
)
def test_letters_turn_with_the_picture(opened, page, keys, letters):
    """At the right edge, the lower one, the left one and the upper one."""
    pixels = np.full_like(voxels(), 100)
    pixels[:, *BLOCK] = 1000
    opened(page, zipped(instances(pixels)))
    for key in keys:
        page.keyboard.press(key)
    places = {(1, 0): "right", (0, 1): "bottom", (-1, 0): "left", (0, -1): "top"}
    found = {
        places[round(2 * x - 1), round(2 * y - 1)]: text
        for text, x, y in written(page)
        if len(text) == 1 and text in "APHF"
    }
    assert "".join(found[edge] for edge in places.values()) == letters
    # The block lies towards head and front.
    shown = seen(page, canvas=".view")[..., 1]
    high, wide = shown.shape
    inner = shown[high // 6 : -high // 6, wide // 4 : -wide // 4]
    rows, columns = np.nonzero(inner > 200)
    towards = {
        "right" if columns.mean() > inner.shape[1] / 2 else "left",
        "bottom" if rows.mean() > inner.shape[0] / 2 else "top",
    }
    assert {found[edge] for edge in towards} == {"H", "A"}


class Fixed:
    """A localiser that finds the ligament in the same place of every volume."""

    kind = "fixed"
    sha256 = hashlib.sha256(repr(BOX).encode()).hexdigest()

    def locate(self, coarse) -> Located:
        return Located(BOX)

    def save(self, folder: Path) -> None:
        (folder / "box.txt").write_text(repr(BOX))

    @classmethod
    def load(cls, folder: Path) -> "Fixed":
        return cls()


def test_the_localisers_box_is_drawn_with_the_heatmap_on_its_slices(make_app, page, tmp_path, monkeypatch):
    monkeypatch.setitem(LOCALISERS, Fixed.kind, Fixed)
    folder = tmp_path / "localised"
    arguments = (tiny_mrnet(FOUR_CLASS), "mrnet", RECIPE, Calibration(1.5), {"figures": []}, PROVENANCE, "")
    write_bundle(folder, *arguments, localiser=Fixed())
    app = make_app(bundles=(folder,))
    answer = app.test_client().post("/v1/predictions", data=study_zip(), **ZIP).json
    assert answer["study"]["localisation"]["box"] == [list(one) for one in BOX]
    with served(app) as origin:
        show(page, origin, answer["id"])
        set_range(page, "#opacity", 0)
        screen = Screen(canvas_of(page), (ROWS, COLUMNS), SPACING_MM[1:])
        for index in range(SLICES):
            at(page, index) if index else page.keyboard.press("Home")
            assert not greens(page).any()
            page.keyboard.press("m")
            drawn = greens(page)
            page.keyboard.press("m")
            assert drawn.any() == (BOX[0][0] <= index < BOX[0][1])
            if drawn.any():
                around(drawn, screen)
            page.keyboard.press("ArrowDown")


def canvas_of(page: Page) -> tuple[float, float, float, float]:
    box = page.locator(".view").bounding_box()
    return box["x"], box["y"], box["width"], box["height"]


def greens(page: Page) -> np.ndarray:
    """Where the canvas is green."""
    shown = seen(page, canvas=".view")
    return shown[..., 1] - shown[..., 2] > GREEN


def around(drawn: np.ndarray, screen: Screen) -> None:
    """A dashed line goes around the box, and there is nothing else of its colour."""
    (top, bottom), (left, right) = BOX[1:]
    (x1, y1), (x2, y2) = screen.pixel(left, top), screen.pixel(right, bottom)
    y, x = np.mgrid[: drawn.shape[0], : drawn.shape[1]] + 0.5
    away = np.maximum(np.maximum(x1 - x, x - x2), np.maximum(y1 - y, y - y2))
    assert np.abs(away[drawn]).max() <= LINE
    for edge in (drawn[int(y1), int(x1) : int(x2)], drawn[int(y1) : int(y2), int(x2)]):
        assert 0.4 < edge.mean() < 0.9
