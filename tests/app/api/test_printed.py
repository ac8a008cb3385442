"""The report: as a PDF that another library reads, and as a page without anything of a client's that acts."""

import re
from html import unescape
from pathlib import Path

import pypdfium2
import pytest
from sqlalchemy import update

from app.store.database import Prediction
from tests.app.reviews.clinic import TORN, Clinic
from tests.app.studies import PATIENT, instances, voxels, zipped
from tests.app.viewer.test_pages import ELSEWHERE, INLINE

pytestmark = pytest.mark.slow

NOTICE = "Research use only, not for diagnosis"
IMG = '<img src=x onerror="alert(1)">'


def report(clinic: Clinic, name: str = "ann", form: str = "pdf"):
    response = clinic.client.get(clinic.place.replace("reviews", f"report.{form}"), headers=clinic.of(name))
    assert response.status_code == 200, response.text
    return response


def pages(content: bytes) -> list[str]:
    """The text of each page, without line ends."""
    with pypdfium2.PdfDocument(content) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def test_it_says_what_the_answer_says_with_the_notice_on_every_page(make_app):
    clinic = Clinic(make_app)
    clinic.give("ann", TORN | {"comment": "long words " * 360})  # more than fits beside the rest on one page
    first = report(clinic)
    assert first.data == report(clinic).data
    told = pages(first.data)
    assert len(told) > 1
    assert all(NOTICE in page for page in told)
    text, answer = " ".join(told), clinic.answer
    assert f"ACL: {answer['result']['predicted']}" in text
    assert answer["bundle"]["sha256"] in text.replace(" ", "")
    assert all(warning["message"] in text for warning in answer["warnings"])
    assert "gives the grade: complete rupture" in text
    assert "before seeing the model's opinion" in text
    assert text.count("long words") == 360


def test_it_says_whether_the_knee_is_positive_at_the_operating_point(make_app):
    clinic = Clinic(make_app, "demo", bundles=(Path("models/bundles/demo"),))
    said = clinic.answer["result"]["operating_point"]["message"]
    assert said in " ".join(pages(report(clinic).data))
    assert said in unescape(report(clinic, form="html").text)


def test_every_slice_that_it_shows_is_there_twice(make_app):
    clinic = Clinic(make_app)
    with pypdfium2.PdfDocument(report(clinic).data) as document:
        pictures = [thing for page in document for thing in page.get_objects() if thing.type == 3]
    assert len(pictures) >= 6
    page = report(clinic, form="html").text
    assert page.count("data:image/png") == len(pictures)


@pytest.mark.parametrize("shown", [False, True])
def test_the_patient_is_named_only_if_the_operator_wants_it(make_app, shown):
    clinic = Clinic(make_app, show_patients=shown)
    texts = [" ".join(pages(report(clinic).data)), report(clinic, form="html").text]
    for text in texts:
        assert ("Quibble Zebedee" in text) == (PATIENT["PatientID"] in text) == shown


def test_a_name_in_several_scripts_is_shown_in_all_of_them(make_app):
    client = make_app(show_patients=True).test_client()
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    study = zipped(instances(voxels(), PatientName=name, SpecificCharacterSet="ISO_IR 192"))
    answer = client.post("/v1/predictions", data=study, content_type="application/zip").json
    place = f"/v1/predictions/{answer['id']}"
    for text in (
        " ".join(pages(client.get(f"{place}/report.pdf").data)),
        client.get(f"{place}/report.html").text,
    ):
        assert "Yamada Tarou / 山田 太郎 / やまだ たろう" in text


def test_a_reader_sees_no_other_reading_before_the_own(make_app):
    clinic = Clinic(make_app)
    clinic.give("ann", TORN)
    assert "Ärzte" in " ".join(pages(report(clinic).data))
    assert "Ärzte" not in " ".join(pages(report(clinic, "ben").data))


def test_nothing_of_a_client_becomes_markup(make_app):
    clinic = Clinic(make_app, show_patients=True)
    clinic.give("ann", TORN | {"comment": IMG})
    page = report(clinic, form="html")
    assert "<img src=x" not in page.text
    assert not ELSEWHERE.search(page.text)
    assert not INLINE.search("".join(text for text in page.text.splitlines() if IMG not in unescape(text)))
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert IMG in " ".join(pages(report(clinic).data))
    moved = clinic.client.get(f"/studies/{clinic.answer['id']}/report")
    assert (moved.status_code, moved.headers["Location"]) == (302, clinic.place.replace("reviews", "report.html"))


def test_without_pixels_it_says_so_and_stays(make_app):
    clinic = Clinic(make_app)
    with clinic.service.database.write() as session:
        session.execute(update(Prediction).values(pixels_expired=True, study={}, origins=[]))
    assert "pixels of this prediction have expired" in " ".join(pages(report(clinic).data))
    assert not re.search("data:image/png", report(clinic, form="html").text)


def test_without_a_key_or_an_answer_there_is_none(make_app):
    clinic = Clinic(make_app)
    place = clinic.place.replace("reviews", "report.pdf")
    assert clinic.client.get(place).status_code == 401
    assert clinic.client.get(place.replace(clinic.answer["id"], "none"), headers=clinic.of("ann")).status_code == 404
