"""The study page where there is no picture, or not yet, or not all of it. It says so in a sentence."""

import io
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from playwright.sync_api import expect
from pydicom import dcmread
from sqlalchemy import update

from app.service.parts import EXTENSION
from app.store.database import Delivery, Prediction
from app.store.record import VOXELS
from data_prep.labels import FOUR_CLASS
from models.bundle import write_bundle
from models.calibration import Calibration
from models.predictor import Predictor
from models.routes.mrnet import MRNet
from tests.app.conftest import SOON_S, settled
from tests.app.studies import SLICES, SPACING_MM, instances, study_zip, voxels, zipped
from tests.app.viewer.conftest import barriers
from tests.app.viewer.study_page import at, seen, show
from tests.loopback import served
from tests.models.conftest import PROVENANCE, RECIPE, TINY_TRUNK

pytestmark = pytest.mark.slow

ZIP = {"content_type": "application/zip"}
POST = "/v1/predictions"
MANY, THIN_MM = 300, 0.5


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def origin(app):
    with served(app) as origin:
        yield origin


def said(page):
    return page.locator(".state").first


def mark(app, **columns: bool) -> None:
    with app.extensions[EXTENSION].database.write() as session:
        session.execute(update(Prediction).values(**columns))


def test_a_study_that_is_deleted_or_was_never_there(origin, page):
    page.goto(f"{origin}/studies/{32 * '0'}")
    expect(said(page)).to_contain_text("There is no prediction of this id")
    expect(page.get_by_role("toolbar")).to_be_hidden()
    expect(page.locator("#panel")).to_be_hidden()


def test_it_says_where_the_results_went_and_tries_again(make_app, page):
    app = make_app(targets=("http://127.0.0.1:9/dicom-web",))  # where nobody listens
    answer = app.test_client().post(POST, data=study_zip(), **ZIP).json
    place, deadline = f"/v1/deliveries?prediction={answer['id']}", time.monotonic() + SOON_S
    # Both have been tried once: none is under way, which would end after the next step.
    while [bool(one["outcome"]) for one in app.test_client().get(place).json["deliveries"]] != [True, True]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with app.extensions[EXTENSION].database.write() as session:
        session.execute(update(Delivery).values(state="dead", due=None))
    with served(app) as origin:
        page.goto(origin)
        given_up = page.get_by_role("link", name="results not delivered: 2")
        expect(given_up).to_be_visible()
        assert barriers(page) == []
        given_up.click()
        page.wait_for_url(f"{origin}/studies/{answer['id']}#deliveries")
        went = page.locator("#delivered")
        expect(went).to_be_in_viewport()
        expect(went).to_contain_text("Given up: results, http://127.0.0.1:9/dicom-web")
        expect(went).to_contain_text("refuses connections")
        page.get_by_role("button", name="Try again now").first.click()
        expect(went).to_contain_text("Waiting")
        assert barriers(page) == []
        page.goto(origin)
        expect(page.get_by_role("link", name="results not delivered: 1")).to_be_visible()
        page.goto(f"{origin}/studies/{answer['id']}")
        page.wait_for_selector("#study[data-complete]")
        expect(page.locator("#deliveries")).not_to_have_attribute("open", "")


def test_a_refused_study_has_the_services_reason(client, origin, page):
    sent = client.post(POST, data=zipped(instances(0 * voxels())), headers={"Prefer": "respond-async"}, **ZIP)
    problem = settled(client, sent.headers["Location"])["problem"]
    page.goto(f"{origin}/studies/{sent.json['id']}")
    expect(said(page)).to_contain_text(problem["detail"])


def test_a_fault_of_the_service_is_not_said_to_be_the_studys(client, origin, page, monkeypatch):
    monkeypatch.setattr("app.jobs.faults.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(Predictor, "predict", lambda *arguments: 1 / 0)
    sent = client.post(POST, data=study_zip(), headers={"Prefer": "respond-async"}, **ZIP)
    problem = settled(client, sent.headers["Location"])["problem"]
    page.goto(f"{origin}/studies/{sent.json['id']}")
    expect(said(page)).to_have_text(f"There is no result. {problem['detail']}")
    assert "refused" not in said(page).inner_text()


def test_a_queued_study_is_followed_until_it_is_done(client, origin, page):
    answer = client.post(POST, data=study_zip(), **ZIP).json
    queued = {"json": {"id": answer["id"], "status": "queued"}}
    page.route(f"**{POST}/{answer['id']}", lambda route: route.fulfill(**queued))
    page.goto(f"{origin}/studies/{answer['id']}")
    expect(said(page)).to_contain_text("waiting for its result")
    page.unroute(f"**{POST}/{answer['id']}")
    expect(said(page)).to_be_empty()
    expect(page.locator("#said")).to_contain_text(answer["result"]["predicted"])


def test_expired_pixels_leave_the_opinion(app, client, origin, page):
    answer = client.post(POST, data=study_zip(), **ZIP).json
    mark(app, pixels_expired=True)
    page.goto(f"{origin}/studies/{answer['id']}")
    expect(said(page)).to_contain_text("The pixels of this prediction have expired")
    expect(page.locator("#said")).to_contain_text(answer["result"]["predicted"])
    expect(page.locator(".sum")).to_contain_text("bias")


def test_expired_maps_leave_the_pixels(app, client, origin, page):
    answer = client.post(POST, data=study_zip(), **ZIP).json
    mark(app, maps_expired=True)
    page.goto(f"{origin}/studies/{answer['id']}")
    expect(said(page)).to_contain_text("The maps of this prediction have expired")
    expect(page.locator(".source")).to_have_attribute("data-slice", "7")
    stage, sentence = page.locator(".stage").bounding_box(), said(page).bounding_box()
    assert sentence["y"] + sentence["height"] < stage["y"] + stage["height"] / 6
    page.keyboard.press("m")
    page.keyboard.press("End")
    expect(page.locator(".source")).to_have_attribute("data-slice", "13")


def test_pixels_that_are_lost_leave_the_opinion(app, client, origin, page):
    """Somebody has deleted the file."""
    answer = client.post(POST, data=study_zip(), **ZIP).json
    (app.extensions[EXTENSION].settings.data / "predictions" / answer["id"] / VOXELS).unlink()
    show(page, origin, answer["id"])
    expect(said(page)).to_have_text(
        "The pixels or maps of this prediction are missing or damaged on the service's disk. Send the study again."
    )
    expect(page.locator("#said")).to_contain_text(answer["result"]["predicted"])


def test_a_map_of_one_slice(make_app, page, tmp_path):
    """The network looks at one slice, which speaks against the class: the strongest slice is that one all the same."""
    recipe = replace(RECIPE, extent_mm=(SPACING_MM[0], 60.0, 60.0))
    keras.utils.set_random_seed(1)
    route = MRNet(TINY_TRUNK, dropout=0.5, scheme=FOUR_CLASS, recipe=recipe)
    folder = tmp_path / "narrow"
    write_bundle(folder, route, "mrnet", recipe, Calibration(1.5), {"figures": []}, PROVENANCE, "")
    app = make_app(bundles=(folder,))
    answer = app.test_client().post(POST, data=study_zip(), **ZIP).json
    ((looked_at, _),) = [(one["index"], one) for one in answer["explanation"]["slices"] if one["contribution"]]
    with served(app) as origin:
        show(page, origin, answer["id"])
        page.keyboard.press("m")
        for name in answer["result"]["classes"]:
            page.get_by_label("Show the evidence for").select_option(name)
            page.locator(".view").focus()
            page.keyboard.press("Home")
            at(page, 0)
            assert (np.ptp(seen(page), axis=2) == 0).all()
            expect(page.locator(".sum")).to_contain_text("Slice 1: +0.00.")
            page.keyboard.press("s")
            at(page, looked_at)
        told = f"The model looks at slice {looked_at + 1} of {SLICES}, the middle of the knee."
        expect(page.locator("#warnings")).to_contain_text(told)
        # The last class has no evidence, and so no scale by which evidence against it could be coloured.
        page.keyboard.press("b")
        assert (np.ptp(seen(page), axis=2) == 0).all()


def test_the_page_goes_on_when_the_service_is_back(app, client, browser):
    """It restarts before the voxels are on their way."""
    answer, page, lost = client.post(POST, data=study_zip(), **ZIP).json, browser.new_page(), []

    def lose(route) -> None:
        lost.append(route.request.url)
        route.abort("connectionrefused")

    with served(app) as origin:
        page.route("**/volume.npy", lose, times=1)
        page.goto(f"{origin}/studies/{answer['id']}")
        expect(said(page)).to_contain_text("doesn't answer now")
        expect(said(page)).to_be_empty()
        page.keyboard.press("End")
        expect(page.locator(".source")).to_have_attribute("data-slice", "13")
        page.close()
    assert len(lost) == 1


def test_three_hundred_thin_slices(client, origin, page):
    planes = voxels()[[index % SLICES for index in range(MANY)]]
    thin = [thinner(file, index) for index, file in enumerate(instances(planes))]
    answer = client.post(POST, data=zipped(thin), **ZIP)
    assert answer.status_code == 201, answer.text
    page.goto(f"{origin}/studies/{answer.json['id']}")
    expect(said(page)).to_be_empty()
    page.keyboard.press("End")
    expect(page.locator(".source")).to_have_attribute("data-slice", str(MANY - 1))
    page.keyboard.press("s")
    expect(page.locator(".sum")).to_contain_text("Slice ")


def thinner(file: bytes, index: int) -> bytes:
    dataset, written = dcmread(io.BytesIO(file)), io.BytesIO()
    dataset.ImagePositionPatient, dataset.SliceThickness = [-THIN_MM * index, 0, 0], THIN_MM
    dataset.save_as(written)
    return written.getvalue()


def test_what_headers_say_is_text(app, client, origin, page):
    answer = client.post(POST, data=study_zip(), **ZIP).json
    hostile = "<img src=x onerror=alert(1)>"
    answer["warnings"] = [{"code": "x", "message": hostile}]
    answer["bundle"] |= {"name": hostile}
    said = dict.fromkeys(("series_uid", "modality", "number", "description"), hostile)
    series = [said | {"reasons": [hostile], "predicted_on": False, "held": True, "instances": 1}]
    listed = {"study_uid": "2.25.7", "held": True, "series": series, "files": [hostile]}
    page.route(f"**{POST}/{answer['id']}", lambda route: route.fulfill(json=answer))
    page.route(f"**{POST}/{answer['id']}/series", lambda route: route.fulfill(json=listed))
    page.goto(f"{origin}/studies/{answer['id']}")
    expect(page.locator("#warnings")).to_have_text(hostile)
    expect(page.locator("#series strong")).to_have_text(hostile)
    expect(page.locator("#series li p").first).to_have_text(hostile)
    expect(page.locator("#series > p")).to_have_text(f"Without a series: {hostile}")
    page.locator("#series button").click()
    expect(page.locator("#choose-what")).to_contain_text(hostile)
    assert page.locator("img").count() == 0
