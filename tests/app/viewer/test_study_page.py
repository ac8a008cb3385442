"""The study page in a browser, on a synthetic torn knee, by two bundles."""

import base64
import io
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from tests.app.conftest import LOADING_S
from tests.app.studies import zipped
from tests.app.viewer.conftest import barriers
from tests.loopback import served

pytestmark = pytest.mark.slow

DEMO = "models/bundles/demo"
SEED, TRUTH = 20_261_121, "complete rupture"
# Of the picture: the notice is burnt into overlay.png below.
CLEAR = 0.85
ROUNDING = 1
SOURCE = "document.querySelectorAll('.source')[{column}].toDataURL().split(',')[1]"


@pytest.fixture(scope="module")
def torn(bundles, tmp_path_factory):
    """The origin of a service, its client, and the answers of the demo bundle and of one with four classes."""
    settings = Settings(bundles=(DEMO, bundles[1]), data=tmp_path_factory.mktemp("var"), results=("sr",))
    app = create_app(settings)
    app.extensions[EXTENSION].engine.loaded.result(LOADING_S)
    knee, client = generate(SEED, TRUTH), app.test_client()
    body, answers = zipped([file(instance(knee, index)) for index in range(knee.scan.slices)]), []
    for bundle in ("demo", "four"):
        response = client.post(f"/v1/predictions?bundle={bundle}", data=body, content_type="application/zip")
        assert response.status_code == 201, response.text
        answers.append(response.json)
    with served(app) as origin:
        yield origin, client, *answers
    app.extensions[EXTENSION].stop()


def file(dataset) -> bytes:
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def show(page, origin: str, path: str) -> None:
    """Open a study, and wait until all of it is there."""
    page.goto(f"{origin}/studies/{path}")
    page.wait_for_selector("#study[data-complete]")


def at(page, index: int, column: int = 0) -> None:
    expect(page.locator(".slider").nth(column)).to_have_value(str(index))
    expect(page.locator(".source").nth(column)).to_have_attribute("data-slice", str(index))


def seen(page, column: int = 0) -> np.ndarray:
    """The pixels of the slice, BGR, before they are scaled to the screen."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    content = base64.b64decode(page.evaluate(SOURCE.format(column=column)))
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(int)


def picture(client, path: str, **query) -> np.ndarray:
    response = client.get(path, query_string=query)
    assert response.status_code == 200, response.text
    return cv2.imdecode(np.frombuffer(response.data, np.uint8), cv2.IMREAD_COLOR).astype(int)


def strongest(answer: dict) -> int:
    slices = answer["explanation"]["slices"]
    return max(slices, key=lambda one: one["contribution"])["index"]


def set_range(page, name: str, value: float) -> None:
    """Move a slider."""
    page.locator(name).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )


def test_every_file_of_a_prediction_is_a_link_away(torn, page):
    """Whatever the list names is there; the heatmap's file is that of the slice that is looked at."""
    origin, client, answer, _ = torn
    show(page, origin, answer["id"])
    page.locator("#files summary").click()
    page.keyboard.press("s")
    index = strongest(answer)
    heatmap = page.get_by_role("link", name=f"Heatmap over slice {index + 1}")
    expect(heatmap).to_be_visible()
    links = page.locator("#linked a").evaluate_all("(links) => links.map((link) => link.getAttribute('href'))")
    kinds = {href.partition("/dicom/")[2].partition(".dcm")[0] for href in links if "/dicom/" in href}
    assert kinds == {"sr", "key-image", "overlay", "map", "seg"}
    assert {client.get(href, follow_redirects=True).status_code for href in links} == {200}
    with page.expect_download() as download:
        heatmap.click()
    expected = client.get(f"/v1/predictions/{answer['id']}/dicom/overlay.dcm?slice={index}").data
    assert download.value.path().read_bytes() == expected
    assert barriers(page) == []


def test_pixels_are_those_of_the_services_pictures(torn, page):
    """Off until asked for, at every opacity, on slices with and without evidence, and where map.npz has it."""
    origin, client, answer, _ = torn
    show(page, origin, answer["id"])
    rows = int(CLEAR * answer["study"]["volume"]["rows"])
    page.keyboard.press("2")  # percentiles, as the service's pictures
    page.keyboard.press("s")
    index = strongest(answer)
    at(page, index)
    place = f"/v1/predictions/{answer['id']}/slices/{index}"
    grey = picture(client, f"{place}/image.png")
    assert np.abs(seen(page) - grey).max() <= ROUNDING
    page.keyboard.press("m")
    for opacity in (0.6, 1.0, 0.25):
        set_range(page, "#opacity", opacity)
        difference = np.abs(seen(page) - picture(client, f"{place}/overlay.png", opacity=opacity))
        assert difference[:rows].max() <= ROUNDING
    with np.load(io.BytesIO(client.get(f"/v1/predictions/{answer['id']}/map.npz").data)) as archive:
        plane = archive["map"][index]
    coloured = np.abs(seen(page) - grey).max(axis=2) > ROUNDING
    scale, spacing = answer["explanation"]["scale"], answer["study"]["volume"]["spacing_mm"]
    reaches = plane / (spacing[1] * spacing[2]) >= scale["threshold"]
    assert reaches.any()
    # At low opacity, a colour may be the grey's own.
    assert (coloured & ~reaches).sum() == 0
    assert coloured.sum() > 0.9 * reaches.sum()
    page.keyboard.press("ArrowDown")
    at(page, index + 1)
    overlay = picture(client, f"/v1/predictions/{answer['id']}/slices/{index + 1}/overlay.png", opacity=0.25)
    assert np.abs(seen(page) - overlay)[:rows].max() <= ROUNDING


def test_every_class_of_a_bundle_can_be_explained_and_compared(torn, page):
    """Evidence for one class rather than another is the difference of their maps."""
    origin, client, _, answer = torn
    show(page, origin, answer["id"])
    page.keyboard.press("2")
    page.keyboard.press("m")
    set_range(page, "#threshold", 0)
    first, *_, last = answer["result"]["classes"]
    page.get_by_label("Show the evidence for").select_option(last)
    index = int(page.locator(".slider").input_value())
    place = f"/v1/predictions/{answer['id']}/slices/{index}/overlay.png"
    rows = int(CLEAR * answer["study"]["volume"]["rows"])
    difference = np.abs(seen(page) - picture(client, place, **{"class": last}))[:rows]
    assert difference.max() <= ROUNDING
    page.get_by_label("rather than").select_option(first)
    logits = answer["result"]["logits"]
    expect(page.locator(".sum")).to_contain_text(f"{last} rather than {first}")
    expect(page.locator(".sum")).to_contain_text(f"{abs(logits[last] - logits[first]):.2f}")


def test_shares_of_slices_and_the_bias_add_up_before_the_readers_eyes(torn, page):
    origin, _, answer, _ = torn
    show(page, origin, answer["id"])
    explanation = answer["explanation"]
    total = sum(one["contribution"] for one in explanation["slices"])
    score = answer["result"]["logits"][explanation["class"]]
    assert total + explanation["bias"] == pytest.approx(score, rel=1e-4)
    for value in (total, explanation["bias"], score):
        expect(page.locator(".sum")).to_contain_text(f"{'−' if value < 0 else '+'}{abs(value):.2f}")
    strip = page.locator(".strip canvas")
    box = strip.bounding_box()
    strip.click(position={"x": box["width"] * 3.5 / len(explanation["slices"]), "y": 20})
    at(page, 3)


def test_the_keyboard_alone_scrolls_windows_measures_and_resets(torn, page):
    origin, _, answer, _ = torn
    show(page, origin, answer["id"])
    last = answer["study"]["volume"]["slices"] - 1
    for key, index in (
        ("Home", 0),
        ("ArrowDown", 1),
        ("ArrowRight", 2),
        ("PageDown", 7),
        ("ArrowUp", 6),
        ("End", last),
    ):
        page.keyboard.press(key)
        at(page, index)
    page.keyboard.press("Home")
    at(page, 0)
    before = seen(page)
    page.keyboard.press("i")
    assert np.abs(seen(page) + before - 255).max() <= ROUNDING
    page.keyboard.press("Control+ArrowDown")
    assert (seen(page) != 255 - before).any()
    page.keyboard.press("Space")
    assert (seen(page) == before).all()
    page.keyboard.press("d")
    expect(page.get_by_role("button", name="Distance")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    made = inside(page, "page.column.measure.made.map((one) => page.column.measure.text(one))")
    pixels_mm = inside(page, "page.column.viewport.matrix[0] / page.active.slice.across")
    assert made == [f"{5 * 8 / pixels_mm:.1f} mm"]  # an arrow moves the cursor by 8 pixels
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    at(page, 1)


def inside(page, asked: str) -> Any:
    """The value of an expression about the page's own object `page`."""
    module = page.locator("script[type=module][src*='study/study']").get_attribute("src")
    return page.evaluate(f"import('{module}').then(({{ page }}) => {asked})")


def test_the_mouse_scrolls_windows_pans_and_zooms(torn, page):
    origin, _, answer, _ = torn
    show(page, origin, answer["id"])
    index = int(page.locator(".slider").input_value())
    page.locator(".view").hover()
    page.mouse.wheel(0, 100)
    at(page, index + 1)
    page.mouse.wheel(0, -100)
    at(page, index)
    looked = "[page.active.window, page.column.viewport.view]"
    for button, changed in (("left", "window"), ("middle", "pan"), ("right", "zoom")):
        window, view = inside(page, looked)
        page.locator(".view").hover()
        page.mouse.down(button=button)
        page.mouse.move(500, 200, steps=3)
        page.mouse.up(button=button)
        now, seen_now = inside(page, looked)
        assert (now != window) == (changed == "window")
        assert (seen_now["zoom"] != view["zoom"]) == (changed == "zoom")
        if changed == "pan":
            assert seen_now["pan"] != view["pan"]


def test_scrolling_asks_for_nothing(torn, page):
    origin, _, answer, _ = torn
    show(page, origin, answer["id"])
    page.keyboard.press("m")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("Home")
    for _ in range(answer["study"]["volume"]["slices"] - 1):
        page.keyboard.press("ArrowDown")
    at(page, answer["study"]["volume"]["slices"] - 1)
    page.get_by_label("Show the evidence for").select_option("healthy")
    assert asked == []


def test_two_bundles_on_one_study_scroll_together(torn, page):
    origin, _, demo, four = torn
    show(page, origin, f"{demo['id']}?with={four['id']}")
    page.keyboard.press("2")
    page.keyboard.press("Home")
    at(page, 0)
    at(page, 0, 1)
    page.keyboard.press("s")
    index = strongest(demo)
    at(page, index)
    at(page, index, 1)
    assert np.abs(seen(page) - seen(page, 1)).max() == 0
    # The panel is about the result that was touched last.
    page.locator(".view").nth(1).click()
    expect(page.locator("#model")).to_contain_text("four")
    page.get_by_label("Scroll together").uncheck()
    page.keyboard.press("Home")
    at(page, 0, 1)
    at(page, index)


def test_other_modules_hear_what_is_looked_at_and_can_hide_the_opinion(torn, page):
    origin, _, answer, _ = torn
    show(page, origin, answer["id"])
    page.evaluate("document.addEventListener('cruciate:view', ({ detail }) => { window.heard = detail; })")
    page.keyboard.press("m")
    page.keyboard.press("Home")
    at(page, 0)
    heard = page.evaluate("heard")
    assert heard == {"id": answer["id"], "index": 0, "class": "unhealthy", "heat": True, "opinion": True}
    page.evaluate("document.dispatchEvent(new CustomEvent('cruciate:opinion', { detail: { shown: false } }))")
    expect(page.locator("#opinion")).to_be_hidden()
    expect(page.locator(".strip")).to_be_hidden()
    expect(page.get_by_text("hidden until you have read")).to_be_visible()
    assert not page.evaluate("heard")["heat"]
    assert "Most likely" not in page.locator("#study").inner_text()


@pytest.mark.parametrize("compared", [False, True])
def test_nothing_keeps_people_out(torn, page, compared):
    origin, _, demo, four = torn
    show(page, origin, f"{demo['id']}?with={four['id']}" if compared else demo["id"])
    page.keyboard.press("m")
    page.keyboard.press("?")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    for _ in range(2):
        assert barriers(page) == []
        page.get_by_role("button", name="Light page").click()


def test_a_magnified_picture_is_sharp_and_scales_with_the_screen(torn, new_page):
    """Twice as many pixels on a screen of twice the density; pixels that aren't square keep their shape."""
    origin, _, answer, _ = torn
    page = new_page(device_scale_factor=2)
    show(page, origin, answer["id"])
    shown = inside(page, "[page.column.viewport.canvas.width, page.column.viewport.canvas.clientWidth]")
    assert shown[0] == pytest.approx(2 * shown[1], abs=2)
    across, _, _, down, *_ = inside(page, "page.column.viewport.matrix")
    _, row_mm, column_mm = answer["study"]["volume"]["spacing_mm"]
    assert across / column_mm == pytest.approx(down / row_mm)
