"""The review panel in a browser: what is drawn is stored, outlives reload and restart, and is exported as drawn."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect

from app.contract import masks
from app.contract.schemas import SliceMask
from app.reviews.__main__ import main
from data_prep.prepare.load import ligament_mask
from data_prep.tables.exams import read_exams
from tests.app.studies import COLUMNS, ROWS, SLICES, SPACING_MM, study_zip
from tests.app.viewer.conftest import barriers
from tests.loopback import served

pytestmark = pytest.mark.slow

RADIUS_MM = 2.0
# Column and row.
CENTRE = (COLUMNS / 2, ROWS / 2)


def shown(page, origin: str, answer: dict) -> None:
    page.goto(f"{origin}/studies/{answer['id']}")
    page.get_by_role("button", name="Save the review").wait_for()
    expect(page.locator(".source")).to_have_attribute("data-slice", str(SLICES // 2))


def disc(column: float, row: float) -> np.ndarray:
    """The pixels of a slice whose centres the brush covers, by mm."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS] + 0.5
    away = np.hypot((columns - column) * SPACING_MM[2], (rows - row) * SPACING_MM[1])
    return away <= RADIUS_MM


def stored(client, answer: dict) -> dict:
    place = f"/v1/predictions/{answer['id']}/reviews"
    latest = client.get(place).json["reviews"][-1]
    return client.get(f"{place}/{latest['id']}").json


@pytest.fixture
def answered_here(make_app, tmp_path):
    """A service, its client and an answer."""
    app = make_app()
    client = app.test_client()
    answer = client.post("/v1/predictions?bundle=four", data=study_zip(), content_type="application/zip").json
    return app, client, answer


def test_drawn_with_keys_alone_it_outlives_reload_and_restart_and_is_exported(
    answered_here, make_app, page, tmp_path, monkeypatch
):
    app, client, answer = answered_here
    middle = SLICES // 2
    expected = np.zeros((SLICES, ROWS, COLUMNS), bool)
    expected[middle] = expected[middle + 1] = disc(*CENTRE) | disc(CENTRE[0] + 10, CENTRE[1])
    with served(app) as origin:
        shown(page, origin, answer)
        page.get_by_label("My grade").first.focus()
        page.keyboard.press("Space")
        page.locator("#review select").nth(0).select_option("complete rupture")
        page.locator("canvas.view").focus()
        for key in ("w", "Enter", "Shift+ArrowRight", "Enter", "Enter", "Control+z", "Escape", "n"):
            page.keyboard.press(key)
        expect(page.locator("#review")).to_contain_text(f"Drawn on slices: {middle + 1}, {middle + 2}")
        page.get_by_role("textbox", name="Comment").fill("<img src=x onerror=alert(1)>")
        page.get_by_role("button", name="Save the review").click()
        expect(page.get_by_role("status").filter(has_text="Saved at")).to_be_visible()
        assert barriers(page) == []
        page.reload()
        expect(page.locator("#review")).to_contain_text(f"Drawn on slices: {middle + 1}, {middle + 2}")
        expect(page.get_by_role("textbox", name="Comment")).to_have_value("<img src=x onerror=alert(1)>")
        page.get_by_text("Report and files").click()
        page.get_by_role("link", name="Report to print").click()
        page.get_by_role("link", name="PDF").wait_for()
        assert barriers(page) == []
    with served(make_app()) as origin:  # another service on the same folder, as after a restart
        shown(page, origin, answer)
        expect(page.locator("#review")).to_contain_text(f"Drawn on slices: {middle + 1}, {middle + 2}")
    review = stored(client, answer)
    np.testing.assert_array_equal(masks.drawn([SliceMask(**one) for one in review["mask"]], expected.shape), expected)
    assert (review["grade"], review["opinion"]) == ("complete rupture", "shown")
    assert review["seconds"] > 0
    monkeypatch.setenv("CRUCIATE_DATA", str(tmp_path / "var"))
    assert main(["export", str(tmp_path / "out")]) == 0
    (exam,) = read_exams(tmp_path / "out" / "exams.csv")
    np.testing.assert_array_equal(ligament_mask(exam, expected.shape), expected)


def test_mouse_eraser_box_and_undo(answered_here, page):
    app, client, answer = answered_here
    with served(app) as origin:
        shown(page, origin, answer)
        place = page.locator("canvas.view").bounding_box()
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2

        def drag(dx: float, dy: float) -> None:
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + dx, y + dy, steps=5)
            page.mouse.up()

        page.get_by_role("button", name="Brush").click()
        drag(60, 0)
        page.get_by_role("button", name="Erase").click()
        drag(20, 0)
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Box").click()
        drag(80, 50)
        drag(-80, -50)
        page.get_by_role("button", name="Undo").click()
        page.get_by_label("I agree with the model").check()
        page.get_by_role("button", name="Save the review").click()
        expect(page.get_by_role("status").filter(has_text="Saved at")).to_be_visible()
    review = stored(client, answer)
    (one,) = review["mask"]
    drawn = masks.drawn([SliceMask(**one)], (SLICES, ROWS, COLUMNS))[one["slice"]]
    assert drawn[ROWS // 2, COLUMNS // 2]  # the eraser's stroke is undone
    rows, columns = np.nonzero(drawn)
    assert np.ptp(columns) > 2 * np.ptp(rows)
    (first, last), (top, bottom), (left, right) = review["box"]
    assert last - first == 1
    # The middle of the canvas may lie between its pixels.
    assert (left, top) == pytest.approx((COLUMNS / 2, ROWS / 2), abs=1)
    assert right > left + 1
    assert bottom > top + 1


def test_the_opinion_stays_hidden_until_the_reader_has_read(make_app, page):
    app = make_app(hide_opinion="until-read")
    client = app.test_client()
    answer = client.post("/v1/predictions?bundle=four", data=study_zip(), content_type="application/zip").json
    with served(app) as origin:
        shown(page, origin, answer)
        expect(page.locator("#opinion")).to_be_hidden()
        page.get_by_label("Can't be judged").first.check()
        page.locator("#review select").nth(1).select_option("motion")
        page.get_by_role("button", name="Save the review").click()
        expect(page.locator("#opinion")).to_be_visible()
    assert stored(client, answer)["opinion"] == "hidden"


def test_two_tabs_lose_nothing_and_say_so(answered_here, new_page):
    app, client, answer = answered_here
    with served(app) as origin:
        tabs = [new_page(), new_page()]
        for tab in tabs:
            shown(tab, origin, answer)
        for tab, verdict in zip(tabs, ("I agree with the model", "Can't be judged"), strict=True):
            tab.get_by_label(verdict).first.check()
            if verdict.startswith("Can't"):
                tab.locator("#review select").nth(1).select_option("noise")
            tab.get_by_role("button", name="Save the review").click()
            expect(tab.get_by_role("status").filter(has_text="Saved at")).to_be_visible()
        expect(tabs[1].locator("#review")).to_contain_text("Both are kept")
    verdicts = [one["verdict"] for one in client.get(f"/v1/predictions/{answer['id']}/reviews").json["reviews"]]
    assert verdicts == ["agree", "cannot-judge"], json.dumps(verdicts)
