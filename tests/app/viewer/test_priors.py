"""Earlier studies of the same patient in the study page: offered by date and side, and shown beside the current one."""

import re

import pytest
from playwright.sync_api import expect

from tests.app.api.test_worklist import posted
from tests.app.studies import PATIENT
from tests.app.viewer.conftest import barriers
from tests.loopback import served

pytestmark = pytest.mark.slow


@pytest.fixture
def studies(make_app):
    """The origin of a service, and the answers about studies of one patient, the current one first; then of another."""
    app = make_app()
    client = app.test_client()
    made = [
        posted(client, "2.25.1", 1, StudyDate="20260301", Laterality="R"),
        posted(client, "2.25.2", 2, StudyDate="20250101", Laterality="R"),
        posted(client, "2.25.3", 3, StudyDate="20251231", Laterality="L"),
        posted(client, "2.25.4", 4, StudyDate="20240101", PatientID="another"),
    ]
    with served(app) as origin:
        yield origin, made


def shown(page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("#study[data-complete]")


def test_a_prior_is_chosen_by_date_and_side_and_stands_beside_the_current_study(studies, page):
    origin, (current, oldest, _, stranger) = studies
    shown(page, f"{origin}/studies/{current['id']}")
    expect(page.locator("#basis")).to_contain_text("2026-03-01")
    offered = page.locator("#with optgroup[label='Earlier studies of this patient'] option")
    expect(offered).to_have_text(["2025-12-31, side left (tiny)", "2025-01-01, side right (tiny)"])
    assert stranger["id"] not in page.content()
    page.get_by_label("Compare with").select_option(oldest["id"])
    page.wait_for_url(re.compile(f"with={oldest['id']}$"))
    page.wait_for_selector("#study[data-complete]")
    expect(page.locator(".which").nth(0)).to_contain_text("Study of 2026-03-01, side right")
    expect(page.locator(".which").nth(1)).to_contain_text("Study of 2025-01-01, side right")
    expect(page.get_by_label("Compare with")).to_have_value(oldest["id"])
    page.keyboard.press("Home")
    for column in (0, 1):
        expect(page.locator(".slider").nth(column)).to_have_value("0")
    assert barriers(page) == []
    assert not any(value in page.content() for value in PATIENT.values())
    page.get_by_label("Compare with").select_option("")
    page.wait_for_url(f"{origin}/studies/{current['id']}")
    expect(page.locator(".column")).to_have_count(1)


def test_the_first_study_of_a_patient_has_none(studies, page):
    origin, (_, oldest, _, _) = studies
    shown(page, f"{origin}/studies/{oldest['id']}")
    expect(page.locator("#with option")).to_have_text(["nothing"])


def test_without_an_answer_about_priors_the_page_works(studies, page):
    """For example during an upgrade."""
    origin, (current, *_) = studies
    page.route("**/priors", lambda route: route.fulfill(status=404))
    shown(page, f"{origin}/studies/{current['id']}")
    expect(page.locator("#basis")).to_contain_text("Dateunknown")
    expect(page.locator("#with option")).to_have_text(["nothing"])
