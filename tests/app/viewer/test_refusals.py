"""People get a page where programs get a problem document; who isn't logged in gets to the form, and back."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.app.studies import study_zip
from tests.app.viewer.conftest import barriers
from tests.loopback import served

KEY = "a-key-of-this-test-alone"
# As Chromium sends it for an address that somebody opens.
PERSON = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
}
OF_NOBODY = 32 * "0"
PLACES = (
    f"/v1/predictions/{OF_NOBODY}/report.html",
    f"/v1/predictions/{OF_NOBODY}/report.pdf",
    f"/v1/predictions/{OF_NOBODY}/dicom/sr.dcm",
    "/v1/models/tiny/model-card.md",
    "/v1/predictions?status=done",
)


@pytest.fixture
def client(make_app):
    return make_app(api_keys=(KEY,)).test_client()


@pytest.mark.parametrize("place", PLACES)
def test_who_has_no_session_gets_to_the_form_and_from_there_to_what_was_asked_for(client, place):
    led = client.get(place, headers=PERSON)
    assert (led.status_code, led.data) == (303, b"")
    assert led.headers["Cache-Control"] == "no-store"
    form = client.get(led.headers["Location"])
    assert (form.status_code, form.mimetype) == (200, "text/html")
    (wanted,) = re.findall(r'name="next" value="([^"]*)"', form.text)
    assert client.post("/login", data={"key": KEY, "next": wanted}).headers["Location"] == place


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "application/json"},
        {"Accept": "image/*,*/*"},
        {"Accept": "text/html;q=0.5"},
        PERSON | {"X-API-Key": "wrong"},
    ],
)
def test_a_program_is_refused_as_before(client, headers):
    refused = client.get(PLACES[0], headers=headers)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert ("html" in refused.mimetype) == (headers.get("Accept") == PERSON["Accept"])


def test_nothing_that_changes_something_and_no_dicomweb_leads_to_the_form(client):
    assert client.post("/v1/worklist/synthetic", headers=PERSON).mimetype == "application/problem+json"
    assert client.get("/dicom-web/studies", headers=PERSON).mimetype == "application/problem+json"


def test_the_audit_trail_says_that_it_was_refused(client, tmp_path):
    client.get(PLACES[0], headers=PERSON)
    (file,) = (tmp_path / "var" / "audit").glob("*.jsonl")
    assert [json.loads(line)["outcome"] for line in file.read_text().splitlines()] == [401]


def test_a_problem_is_a_page_with_the_same_status_and_sentence(answered):
    client, _ = answered
    for path in (PLACES[0], "/none", "/v1/predictions?status=<img src=x>"):
        problem, page = client.get(path), client.get(path, headers=PERSON)
        assert (page.status_code, page.mimetype) == (problem.status_code, "text/html")
        assert "Content-Security-Policy" in page.headers
        assert problem.json["detail"].replace("'", "&#39;") in page.text
        assert "<img" not in page.text


@pytest.mark.slow
def test_a_report_is_read_after_logging_in_and_by_a_link_of_another_site(make_app, new_page):
    app = make_app(api_keys=(KEY,))
    sent = app.test_client().post(
        "/v1/predictions", data=study_zip(), content_type="application/zip", headers={"X-API-Key": KEY}
    )
    report = f"/studies/{sent.json['id']}/report"
    page = new_page()
    with served(app) as origin:
        page.goto(origin + report)
        page.wait_for_url("**/login?next=*")
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="PDF")).to_be_visible()
        # Another site has another name; its link comes without the cookie.
        elsewhere = origin.replace("127.0.0.1", "localhost")
        page.route(
            f"{elsewhere}/**",
            lambda route: route.fulfill(body=f'<a href="{origin}{report}">Report</a>', content_type="text/html"),
        )
        page.goto(f"{elsewhere}/")
        page.get_by_role("link", name="Report").click()
        expect(page.get_by_role("link", name="PDF")).to_be_visible()
        page.goto(f"{origin}/studies/{OF_NOBODY}/report")
        expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
        assert barriers(page) == []
        page.context.clear_cookies()
        page.goto(origin + report)
        page.wait_for_url("**/login?next=*")
