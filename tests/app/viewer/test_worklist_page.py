"""The worklist in Chromium: studies come, wait, are answered or refused; and whatever they contain is shown as text."""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
import zlib

import pytest
from playwright.sync_api import Page, expect

from app.service.parts import EXTENSION
from tests.app.studies import instances, study_zip, voxels, zipped
from tests.app.viewer.conftest import barriers
from tests.bench.worklist import fill
from tests.loopback import served

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror=document.title='taken'>"
ROWS = "#rows tr"


@pytest.fixture
def site(make_app):
    """Starts a service and gives its origin, and the app."""
    stack = []

    def start(**settings):
        app = make_app(**settings)
        manager = served(app)
        stack.append(manager)
        return manager.__enter__(), app

    yield start
    for manager in stack:
        manager.__exit__(None, None, None)


def states(page: Page) -> list[str]:
    return [text.split("\n")[0].split(" ", 1)[1] for text in page.locator("td.state").all_inner_texts()]


def test_by_keyboard_alone_from_the_empty_page_to_a_synthetic_study(site, page):
    origin, _ = site()
    page.goto(origin)
    expect(page.get_by_role("heading", name="No study yet")).to_be_visible()
    assert barriers(page) == []
    reach(page, "Make a synthetic study")
    page.keyboard.press("Enter")
    expect(page.locator("td.state")).to_contain_text("done")
    expect(page.locator("td.study")).to_contain_text("synthetic")
    assert barriers(page) == []
    reach(page, "Light page")
    page.keyboard.press("Enter")
    assert barriers(page) == []
    reach(page, "Study of 2026-01-01")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/studies/[0-9a-f]{32}$"))
    assert barriers(page) == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")
@pytest.mark.parametrize("asks", [False, True])
def test_the_command_of_the_empty_page_sends_a_study(site, page, tmp_path, asks):
    """As it stands there, with and without keys."""
    key = "the-operator-chose-this"
    origin, _ = site(api_keys=(key,) if asks else ())
    page.goto(origin)
    if asks:
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="No study yet")).to_be_visible()
    command = page.locator("#command").inner_text()
    assert ("CRUCIATE_KEY" in page.content()) == asks
    assert barriers(page) == []
    (tmp_path / "study.zip").write_bytes(study_zip())
    ran = subprocess.run(
        f"{command} --silent --max-time 60",
        **{"shell": True, "cwd": tmp_path, "env": os.environ | {"CRUCIATE_KEY": key}, "capture_output": True},
    )
    assert json.loads(ran.stdout)["status"] == "done", ran.stdout


def reach(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus, which can be seen."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith(name):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return
    raise AssertionError(f"{name!r} can't be reached")


def test_a_folder_a_zip_and_what_is_refused(site, page, tmp_path):
    origin, app = site()
    folder = tmp_path / "Quibble^Zebedee"
    folder.mkdir()
    for index, content in enumerate(instances(voxels())):
        (folder / f"Quibble-{index}").write_bytes(content)
    (folder / ".DS_Store").write_bytes(b"not a slice")
    sent: list[bytes] = []
    page.on("request", lambda request: sent.append(request.post_data_buffer or b""))
    page.goto(origin)
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("#said")).to_have_text("The study was accepted.")
    expect(page.locator("td.state")).to_contain_text("done")
    assert not any(b'filename="Quibble' in body for body in sent)

    # The same files as a zip that the browser makes, because a form may not have so many.
    page.evaluate("document.getElementById('upload').dataset.mostParts = 3")
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("#said")).to_contain_text("knows this study already")
    assert page.locator(ROWS).count() == 1

    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no study"}
    page.locator("#files").set_input_files(notes)
    refused = app.test_client().post("/v1/predictions", data=b"no study").json["detail"]
    expect(page.locator("#said")).to_have_text(f"Refused: {refused}")
    assert barriers(page) == []

    page.evaluate("document.getElementById('upload').dataset.mostMb = 0")
    page.locator("#files").set_input_files(notes)
    expect(page.locator("#said")).to_contain_text("the service takes 0 MB at most")


def test_a_study_is_dropped_and_another_one_is_cancelled(site, page):
    origin, _ = site()
    page.goto(origin)
    drop = """([bytes, name]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(bytes)], name));
      document.querySelector("main").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    }"""
    page.evaluate(drop, [list(study_zip()), "study.zip"])
    expect(page.locator("td.state")).to_contain_text("done")
    page.route("**/v1/predictions", lambda route: None)  # it never answers
    page.evaluate(drop, [[1, 2, 3], "other.zip"])
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#said")).to_have_text("Cancelled. Nothing was kept.")
    assert page.locator(ROWS).count() == 1


def test_search_filters_order_and_pages(site, page):
    origin, app = site(show_patients=True)
    fill(app.extensions[EXTENSION].database, 120)
    page.goto(origin)
    expect(page.locator("#count")).to_have_text("1–50 of 120")
    page.get_by_role("button", name="Next page").dblclick()
    expect(page.locator("#count")).to_have_text("51–100 of 120")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#count")).to_have_text("101–120 of 120")
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    page.get_by_role("button", name="Previous page").click()
    expect(page.locator("#count")).to_have_text("51–100 of 120")

    page.get_by_label("State").select_option("failed")
    expect(page.locator("#count")).to_have_text("1–6 of 6")
    assert set(states(page)) == {"not predicted"}
    page.reload()
    expect(page.locator("#count")).to_have_text("1–6 of 6")

    page.get_by_label("State").select_option("")
    with page.expect_response(lambda response: "sort=probability" in response.url):
        page.get_by_label("Order").select_option("probability")
    expect(page.locator("td.unhealthy .percent").first).to_have_text("98 %")
    shown = [int(text.split()[-2]) for text in page.locator("td.unhealthy .percent").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)

    page.get_by_label("Search").fill("name77^")
    expect(page.locator("#count")).to_have_text("1–1 of 1")
    expect(page.locator("td.study")).to_contain_text("Name77, Given")
    assert "name77" not in page.url
    page.get_by_label("Search").fill("nobody")
    expect(page.get_by_text("No study matches")).to_be_visible()
    assert barriers(page) == []


def test_what_studies_contain_is_shown_as_text(site, page):
    origin, app = site(show_patients=True)
    headers = dict.fromkeys(("PatientName", "PatientID", "StudyDescription", "SeriesDescription"), MARKUP)
    body = zipped(instances(voxels(), **headers))
    answer = app.test_client().post("/v1/predictions", data=body, content_type="application/zip")
    assert answer.status_code == 201, answer.text
    page.goto(origin)
    expect(page.locator("td.study .title")).to_contain_text(MARKUP)
    # And if every text of the answer were markup.
    made = json.loads(app.test_client().get("/v1/worklist").text)
    entry = made["entries"][0]
    texts = ("study_uid", "study_date", "predicted", "bundle", "problem")
    entry |= dict.fromkeys(texts, MARKUP) | {"warnings": [{"code": MARKUP, "message": MARKUP}]}
    entry["operating_point"] = {"positive": True, "message": MARKUP}
    page.route("**/v1/worklist?*", lambda route: route.fulfill(json=made))
    page.reload()
    expect(page.locator("td.finding")).to_contain_text(MARKUP)
    page.locator("summary").click()
    assert page.locator("#rows img").count() == 0
    assert page.title() == "Worklist · Cruciate"


def test_a_service_that_is_not_ready_or_gone_is_said_and_the_page_recovers(site, page):
    origin, _ = site()
    page.goto(origin)
    expect(page.locator("#empty")).to_be_visible()
    problem = {"detail": "The model is being loaded."}
    answers = [
        lambda route: route.fulfill(status=503, content_type="application/problem+json", json=problem),
        lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>"),
    ]
    page.route("**/v1/worklist?*", lambda route: answers[0](route))
    page.get_by_label("Order").select_option("oldest")
    expect(page.get_by_role("alert")).to_have_text("The model is being loaded.")
    answers.pop(0)
    expect(page.get_by_role("alert")).to_have_text("Bad Gateway")
    page.unroute("**/v1/worklist?*")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_rows_follow_the_work_and_a_page_that_has_not_changed_is_left_alone(site, page):
    origin, app = site()
    page.goto(origin)
    expect(page.locator("#empty")).to_be_visible()
    app.test_client().post("/v1/predictions", data=study_zip(), content_type="application/zip")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("td.state")).to_contain_text("done")
    page.locator("summary").click()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(1000)
    expect(page.get_by_role("alert")).to_be_hidden()
    assert page.locator("details[open]").count() == 1
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    place = page.locator("td.study a").get_attribute("href").replace("/studies", "/v1/predictions")
    assert app.test_client().delete(place).status_code == 204
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#empty")).to_be_visible()


def test_a_person_logs_in_and_comes_back_to_the_page_that_was_asked_for(site, page):
    key = "a-key-of-this-test-alone"
    origin, _ = site(api_keys=(key,))
    page.goto(f"{origin}/?state=failed")
    page.wait_for_url("**/login?next=*")
    assert barriers(page) == []
    page.get_by_label("API key").fill("a wrong key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This API key isn't one of ours.")
    assert barriers(page) == []
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?state=failed*")
    # The token is sent: what is refused is the file.
    page.locator("#files").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no study"})
    expect(page.locator("#said")).to_contain_text("neither a zip archive nor a DICOM file")
    assert page.evaluate("document.cookie").startswith("cruciate_csrf=")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(origin)
    page.wait_for_url("**/login?next=*")


def test_a_zip_that_the_page_makes_is_read_elsewhere(site, page):
    origin, _ = site()
    page.goto(origin)
    script = """async () => {
      const address = document.querySelector("script[src*=worklist]").src.replace("worklist.js", "zip.js");
      const { zip, crc32 } = await import(address);
      const files = [new Blob(["one"]), new Blob([]), new Blob([new Uint8Array(70000).fill(7)])];
      const made = new Uint8Array(await (await zip(files)).arrayBuffer());
      return [[...made], crc32(new TextEncoder().encode("123456789"))];
    }"""
    content, checksum = page.evaluate(script)
    assert checksum == zlib.crc32(b"123456789")
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == [b"one", b"", b"\x07" * 70000]
