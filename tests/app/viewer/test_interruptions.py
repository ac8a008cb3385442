"""What happens while a reader reads: the service restarts, the session ends, the study is deleted. Nothing is lost."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.client import STOP_S, serving
from app.service.parts import EXTENSION
from app.store import keys
from tests.app.studies import COLUMNS, ROWS, SLICES, study_zip
from tests.app.viewer import truth
from tests.app.viewer.study_page import at, complete, seen, show
from tests.loopback import served

pytestmark = pytest.mark.slow

KEY = "a-key-of-this-test-alone"
WITH_KEY = {"X-API-Key": KEY}
ZIP, JSON = {"Content-Type": "application/zip"}, {"Content-Type": "application/json"}
# What the brush without a mouse paints: a disc in the middle of the slice.
DRAW = ("w", "Enter", "Escape")


def drawn(page: Page) -> None:
    """Agree, and paint in the middle."""
    page.get_by_label("I agree with the model").check()
    page.locator("canvas.view").focus()
    for key in DRAW:
        page.keyboard.press(key)
    expect(page.locator("#review")).to_contain_text("Drawn on slices: ")


def said(page: Page, text: str) -> None:
    status = page.locator("#review [role=status]")
    expect(status).to_contain_text(text)
    expect(status).to_be_in_viewport(ratio=0.95)


def save(page: Page) -> None:
    """Press the button where it is at the lower edge of the panel."""
    button = page.get_by_role("button", name="Save the review")
    button.evaluate("(button) => button.scrollIntoView({ block: 'end' })")
    button.click()


def test_a_review_is_stored_once_when_the_service_is_back(bundles, page, tmp_path):
    with serving(bundles[1], tmp_path) as service:
        service.wait_until_ready()
        answer = json.loads(service.ask("POST", "/v1/predictions", study_zip(), ZIP))
        show(page, f"http://127.0.0.1:{service.port}", answer["id"])
        drawn(page)
    save(page)
    said(page, "Not saved: the service doesn't answer. What you have drawn and written is still here")
    with serving(bundles[1], tmp_path, service.port) as service:
        service.wait_until_ready()
        for _ in range(2):
            save(page)
            said(page, "Saved at")
        place = f"/v1/predictions/{answer['id']}/reviews"
        (one,) = json.loads(service.ask("GET", place))["reviews"]
        mask = json.loads(service.ask("GET", f"{place}/{one['id']}"))["mask"]
        assert truth.drawn(mask, (SLICES, ROWS, COLUMNS))[SLICES // 2, ROWS // 2, COLUMNS // 2]


def test_a_page_that_is_opened_while_the_service_restarts_is_complete_when_it_is_back(bundles, page, tmp_path):
    """The service stops when it has sent the answer, before all that follows: reviews, models, voxels, maps."""
    with serving(bundles[1], tmp_path) as service:
        service.wait_until_ready()
        answer = json.loads(service.ask("POST", "/v1/predictions", study_zip(), ZIP))
        review = json.dumps({"verdict": "agree", "seconds": 1, "comment": "read before"}).encode()
        service.ask("POST", f"/v1/predictions/{answer['id']}/reviews", review, JSON)

        def stop(route) -> None:
            response = route.fetch()
            service.process.terminate()
            service.process.wait(STOP_S)
            route.fulfill(response=response)

        page.route(f"**/v1/predictions/{answer['id']}", stop, times=1)
        page.goto(f"http://127.0.0.1:{service.port}/studies/{answer['id']}")
        expect(page.locator(".state")).to_have_text(
            "The service doesn't answer now. This page goes on as soon as it can."
        )
    with serving(bundles[1], tmp_path, service.port) as service:
        service.wait_until_ready()
        complete(page)
        at(page, SLICES // 2)
        expect(page.locator(".state")).to_be_empty()
        expect(page.get_by_role("textbox", name="Comment")).to_have_value("read before")
        expect(page.locator("#model")).to_contain_text("Model card")
        expect(page.locator("#model")).to_contain_text("Date of its training2026-11-29")
        page.keyboard.press("m")
        page.keyboard.press("s")
        expect(page.locator(".state")).to_be_empty()
        assert (np.ptp(seen(page), axis=2) > 0).any()


@pytest.fixture
def clinic(make_app) -> Iterator[tuple]:
    """A service that asks for keys, its origin and the answer about a study."""
    app = make_app(api_keys=(KEY,))
    answer = app.test_client().post("/v1/predictions?bundle=four", data=study_zip(), headers=ZIP | WITH_KEY).json
    with served(app) as origin:
        yield app, origin, answer


def log_in(page: Page, origin: str, key: str, wanted: str) -> None:
    page.goto(f"{origin}/studies/{wanted}")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    complete(page)


def test_a_session_that_ends_takes_nothing_of_a_review(clinic, page):
    app, origin, answer = clinic
    log_in(page, origin, KEY, answer["id"])
    drawn(page)
    page.context.clear_cookies()
    save(page)
    said(page, "Not saved: your session has ended.")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Log in in another tab").click()
    opened.value.get_by_label("API key").fill(KEY)
    opened.value.keyboard.press("Enter")
    complete(opened.value)
    save(page)
    said(page, "Saved at")
    place = f"/v1/predictions/{answer['id']}/reviews"
    (one,) = app.test_client().get(place, headers=WITH_KEY).json["reviews"]
    assert one["marked_slices"] == [SLICES // 2]


def test_a_key_that_may_not_review_is_told_so(clinic, page, monkeypatch):
    monkeypatch.setattr(keys, "CACHE_S", 0.0)
    app, origin, answer = clinic
    log_in(page, origin, keys.create(app.extensions[EXTENSION].database, "looker", ["read"], None), answer["id"])
    drawn(page)
    save(page)
    said(page, "Not saved: This needs the scope review")


def test_a_study_that_is_deleted_meanwhile_is_said_and_what_is_drawn_stays(clinic, page):
    app, origin, answer = clinic
    log_in(page, origin, KEY, answer["id"])
    drawn(page)
    assert app.test_client().delete(f"/v1/predictions/{answer['id']}", headers=WITH_KEY).status_code == 204
    save(page)
    said(page, "Not saved: There is no prediction of this id; it may have been deleted.")
    expect(page.locator("#review")).to_contain_text("Drawn on slices: ")
    page.keyboard.press("End")
    at(page, SLICES - 1)


def test_what_two_tabs_draw_is_kept_from_both(clinic, new_page):
    app, origin, answer = clinic
    tabs = [new_page(), new_page()]
    for tab in tabs:
        log_in(tab, origin, KEY, answer["id"])
    for tab, slice_ in zip(tabs, ("Home", "End"), strict=True):
        tab.locator("canvas.view").focus()
        tab.keyboard.press(slice_)
        drawn(tab)
        save(tab)
        said(tab, "Saved at")
    said(tabs[1], "Another review of yours was stored meanwhile")
    expect(tabs[1].locator("#review .history li")).to_have_count(2)
    reviews = app.test_client().get(f"/v1/predictions/{answer['id']}/reviews", headers=WITH_KEY).json["reviews"]
    assert [(one["marked_slices"], one["current"]) for one in reviews] == [([0], False), ([SLICES - 1], True)]
    # Whoever opens the study again sees the later one, and has the earlier one in the history.
    tabs[0].reload()
    expect(tabs[0].locator("#review")).to_contain_text(f"Drawn on slices: {SLICES}")
