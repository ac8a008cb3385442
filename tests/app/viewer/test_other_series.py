"""The other series of a study on its page: listed with reasons, looked at, and judged instead."""

import base64
import re

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from app.store.keys import create
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from tests.app.api.test_series import along, changed
from tests.app.conftest import LOADING_S
from tests.app.studies import instances, study_zip, voxels, zipped
from tests.app.viewer.conftest import barriers
from tests.app.viewer.study_page import at, show
from tests.data_prep.dicom_factory import encode
from tests.loopback import served

pytestmark = pytest.mark.slow

SEED = 20_261_121
PLAIN, ACROSS, SCOUT, COLOURS = (f"2.25.77.{number}" for number in range(1, 5))
NAMES = {PLAIN: "PD SAG", ACROSS: "PD FS COR", SCOUT: "SCOUT", COLOURS: "PICTURE"}
CORONAL, AXIAL = [1, 0, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]
SOURCE = "document.querySelectorAll('.source')[1].toDataURL().split(',')[1]"


def study(seed: int) -> tuple[str, list[bytes]]:
    """UID and files of a synthetic knee, another one in the place of its plain series, a coronal series and others."""
    knee, other = generate(seed, "complete rupture"), generate(seed, "healthy")
    chosen = [instance(knee, index) for index in range(knee.scan.slices)]
    uid = str(chosen[0].StudyInstanceUID)
    told = {
        name: getattr(chosen[0], name)
        for name in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "Laterality")
        if name in chosen[0]
    }
    plain = [
        changed(
            encode(instance(other, index)),
            **told,
            SeriesInstanceUID=PLAIN,
            SOPInstanceUID=f"{PLAIN}.{index + 1}",
            SeriesDescription=NAMES[PLAIN],
            ScanOptions="",
            SeriesNumber=4,
        )
        for index in range(other.scan.slices)
    ]
    across = along((0, 3, 0), instances(voxels(3)[:6], series=ACROSS, ImageOrientationPatient=CORONAL))
    scout = [
        changed(content, SOPInstanceUID=f"{SCOUT}.{place}{number}", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        for place, (plane, step) in enumerate([(CORONAL, (0, 4, 0)), (AXIAL, (0, 0, 4))])
        for number, content in enumerate(
            along(step, instances(voxels(4)[: 3 - place], series=SCOUT, ImageOrientationPatient=plane))
        )
    ]
    colours = changed(
        instances(voxels(5)[:1], series=COLOURS)[0],
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        Rows=32,
        Columns=32,
        PixelData=bytes(32 * 32 * 3),
    )
    rest = [(ACROSS, one) for one in across] + [(SCOUT, one) for one in scout] + [(COLOURS, colours)]
    return uid, [
        *map(encode, chosen),
        *plain,
        *(changed(one, **told, SeriesDescription=NAMES[series]) for series, one in rest),
    ]


@pytest.fixture
def held(bundles, tmp_path):
    """Makes a service that holds the study, with its own prediction: origin, client and answer."""
    apps = []

    def make(**settings):
        app = create_app(
            Settings(
                **{"bundles": ("models/bundles/demo",), "data": tmp_path / "var", "results": ("sr",), "quiet_s": 3600}
                | settings
            )
        )
        apps.append(app)
        service, client = app.extensions[EXTENSION], app.test_client()
        service.engine.loaded.result(LOADING_S)
        uid, files = study(SEED)
        receipts = service.instances.receive([("part", content) for content in files])
        assert {one.reason for one in receipts} == {None}
        answer = service.studies.predict(uid).answer.result(LOADING_S)
        assert answer["status"] == "done"
        return app, client, answer

    with_origin = []

    def opened(**settings):
        app, client, answer = make(**settings)
        context = served(app)
        with_origin.append(context)
        return context.__enter__(), client, answer

    yield opened
    for context in with_origin:
        context.__exit__(None, None, None)
    for app in apps:
        app.extensions[EXTENSION].stop()


def row(page, uid: str):
    return page.locator(f"[data-series='{uid}']")


def seen(page) -> np.ndarray:
    """The greys of the slice in the second column."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    content = base64.b64decode(page.evaluate(SOURCE))
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., 0].astype(int)


def test_another_series_is_looked_at_and_judged_instead(held, page):
    origin, client, answer = held()
    show(page, origin, answer["id"])
    expect(page.locator("#series li")).to_have_count(4)
    expect(row(page, PLAIN)).to_contain_text("not fat-suppressed")
    expect(row(page, ACROSS)).to_contain_text("plane is coronal")
    expect(row(page, ACROSS)).to_contain_text("instances: 6")
    assert barriers(page) == []

    row(page, PLAIN).get_by_role("link", name="Look at PD SAG").press("Enter")
    page.wait_for_selector("#study[data-complete]")
    expect(page.locator(".which").nth(1)).to_have_text("PD SAG (2.25.77.1): not predicted on")
    expect(page.locator(".strip").nth(1)).to_be_hidden()
    expect(page.locator(".state").nth(1)).to_be_empty()
    assert barriers(page) == []
    page.locator(".view").nth(1).focus()
    page.keyboard.press("m")  # the heatmap is on, and none is drawn over this series
    page.keyboard.press("Home")
    at(page, 0, column=1)
    expect(page.locator("#said")).to_contain_text(answer["result"]["predicted"])  # the panel is still the result's

    row(page, PLAIN).get_by_role("button", name="Use this series instead: PD SAG").press("Enter")
    expect(page.locator("#choose")).to_be_visible()
    expect(page.locator("#choose")).to_contain_text("PD SAG")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#choose")).to_be_hidden()
    assert len(client.get("/v1/predictions").json["predictions"]) == 1

    row(page, PLAIN).get_by_role("button").click()
    page.locator("#choose-yes").click()
    page.wait_for_url(lambda url: answer["id"] not in url)
    page.wait_for_selector("#study[data-complete]")
    found = page.evaluate("document.getElementById('study').dataset.id")
    chosen = client.get(f"/v1/predictions/{found}").json
    assert (chosen["study"]["series_uid"], chosen["study"]["series_chosen_by"]) == (PLAIN, "request")
    expect(page.locator("#others")).to_contain_text("Somebody asked for the series")
    expect(page.locator("#warnings")).to_contain_text(f"would have taken series {answer['study']['series_uid']}")
    expect(row(page, answer["study"]["series_uid"])).to_contain_text("another series was asked for")
    expect(page.locator("#bundle option")).to_have_text(
        [re.compile(r", series …\d+$"), re.compile(rf", series {PLAIN}$")]
    )
    show(page, origin, answer["id"])
    expect(page.locator("#replaced")).to_be_visible()
    expect(page.locator("#replacement")).to_have_attribute("href", f"/studies/{found}")


def test_the_pixels_of_another_series_are_its_own(held, page):
    """Of any plane, in the header's or a percentile's window; the scanner's values as the service gives them."""
    origin, client, answer = held()
    show(page, origin, f"{answer['id']}?series={ACROSS}")
    expect(page.locator(".slider").nth(1)).to_have_attribute("max", "5")
    page.locator(".view").nth(1).focus()
    page.keyboard.press("Home")
    at(page, 0, column=1)
    described = client.get(f"/v1/predictions/{answer['id']}/series/{ACROSS}/volume").json
    source = voxels(3)[:6].astype(float)
    plane = source[0 if described["positions_mm"][0][1] == 0 else 5]
    black, white = described["percentiles"]["1"], described["percentiles"]["99.5"]
    expected = 255 * ((plane - black) / (white - black)).clip(0, 1)
    page.keyboard.press("1")
    assert np.abs(seen(page) - expected).max() <= 1
    page.keyboard.press("m")
    assert np.abs(seen(page) - expected).max() <= 1  # no colours over it
    page.keyboard.press("End")
    at(page, 5, column=1)
    at(page, answer["study"]["volume"]["slices"] // 2)  # planes across each other don't scroll together


def test_series_of_one_direction_scroll_together(held, page):
    origin, _, answer = held()
    show(page, origin, f"{answer['id']}?series={PLAIN}")
    page.locator(".view").nth(0).focus()
    page.keyboard.press("Home")
    at(page, 0)
    expect(page.locator(".slider").nth(1)).to_have_value("0")


def test_the_parts_of_a_scout_and_what_cant_be_shown(held, page):
    origin, _, answer = held()
    show(page, origin, f"{answer['id']}?series={SCOUT}")
    part = page.locator(".part select").nth(1)
    expect(part.locator("option")).to_have_text(["1: coronal, 3 images", "2: axial, 2 images"])
    part.select_option("1")
    page.wait_for_url("**part=1**")
    page.wait_for_selector("#study[data-complete]")
    expect(page.locator(".slider").nth(1)).to_have_attribute("max", "1")
    row(page, SCOUT).get_by_role("link", name="Close SCOUT").click()
    page.wait_for_url(f"{origin}/studies/{answer['id']}")
    show(page, origin, f"{answer['id']}?series={COLOURS}")
    expect(page.locator(".state").nth(1)).not_to_be_empty()
    assert "MONOCHROME" in (page.locator(".state").nth(1).text_content() or "")


def test_what_cant_be_predicted_on_is_refused_in_the_services_words(held, page):
    origin, client, answer = held()
    show(page, origin, answer["id"])
    row(page, ACROSS).get_by_role("button").click()
    page.locator("#choose-yes").click()
    expect(page.locator("#choose-said")).to_contain_text("can't be predicted on: plane is coronal")
    assert barriers(page) == []
    page.locator("#choose-no").click()
    expect(page.locator("#choose")).to_be_hidden()
    assert len(client.get("/v1/predictions").json["predictions"]) == 1


def test_a_key_that_may_only_read_chooses_nothing(held, page):
    """And is told so."""
    origin, client, answer = held()
    reader = create(client.application.extensions[EXTENSION].database, "reader", ["read"], None)
    page.goto(f"{origin}/login?next=/studies/{answer['id']}")
    page.locator("input[name=key]").fill(reader)
    page.locator("input[name=key]").press("Enter")
    page.wait_for_selector("#study[data-complete]")
    row(page, PLAIN).get_by_role("button").click()
    page.locator("#choose-yes").click()
    expect(page.locator("#choose-said")).to_contain_text("predict")


def test_a_study_that_was_uploaded_has_no_dead_buttons(held, page):
    origin, client, _ = held()
    lesser = {"series": "2.25.99", "ScanOptions": "", "SeriesDescription": "PD SAG"}
    body = zipped(instances(voxels(), study="2.25.5") + instances(voxels(1), study="2.25.5", **lesser))
    answer = client.post("/v1/predictions", data=body, content_type="application/zip").json
    show(page, origin, answer["id"])
    expect(row(page, "2.25.99")).to_contain_text("not fat-suppressed")
    expect(page.locator("#series")).to_contain_text("send the study by DICOMweb or DIMSE")
    expect(page.locator("#series").get_by_role("button")).to_have_count(0)
    expect(page.locator("#series").get_by_role("link")).to_have_count(0)
    alone = client.post("/v1/predictions", data=study_zip(7), content_type="application/zip").json
    show(page, origin, alone["id"])
    expect(page.locator("#series")).to_have_text("The study has no other series.")


def test_a_study_that_was_refused_offers_its_series(held, page):
    """The service can't choose between two knees; a clinician can."""
    origin, client, _ = held()
    service = client.application.extensions[EXTENSION]
    files = instances(voxels(), study="2.25.6", series="2.25.61", SeriesDescription="RIGHT KNEE")
    files += instances(voxels(1), study="2.25.6", series="2.25.62", SeriesDescription="LEFT KNEE", Laterality="L")
    service.instances.receive([("part", content) for content in files])
    assert client.post("/v1/predictions", json={"study_uid": "2.25.6"}).status_code == 422
    (refused,) = client.get("/v1/predictions?study_uid=2.25.6").json["predictions"]
    show(page, origin, refused["id"])
    expect(page.locator(".state")).to_contain_text("two knees")
    expect(page.locator("#opinion")).to_be_hidden()
    row(page, "2.25.62").get_by_role("link").click()
    page.wait_for_selector("#study[data-complete]")
    expect(page.locator(".slider").nth(1)).to_be_visible()
    at(page, len(voxels()) // 2, column=1)
    page.keyboard.press("Home")  # keys are about the series, because there is nothing else
    at(page, 0, column=1)
    expect(row(page, "2.25.61")).not_to_contain_text("wasn't there")
    row(page, "2.25.62").get_by_role("button", name="Use this series: LEFT KNEE").click()
    expect(page.locator("#choose")).to_contain_text("becomes the result of this study")
    page.locator("#choose-yes").click()
    page.wait_for_url(lambda url: refused["id"] not in url)
    page.wait_for_selector("#study[data-complete]")
    expect(page.locator("#basis")).to_contain_text("left")


def test_other_echoes_of_the_series_are_looked_at(held, page):
    """They are parts of the series that was predicted on, so nothing is to be chosen."""
    origin, client, _ = held()
    later = [
        changed(one, EchoTime=90, EchoNumbers=2, SOPInstanceUID=f"2.25.8.{100 + number}")
        for number, one in enumerate(instances(voxels(1), study="2.25.5"))
    ]
    files = instances(voxels(), study="2.25.5") + later
    client.application.extensions[EXTENSION].instances.receive([("part", content) for content in files])
    answer = client.post("/v1/predictions", json={"study_uid": "2.25.5"}).json
    show(page, origin, answer["id"])
    expect(row(page, "2.25.8")).to_contain_text("looked at a part of this series")
    expect(row(page, "2.25.8")).to_contain_text("echo 2 of 2")
    expect(row(page, "2.25.8").get_by_role("button")).to_have_count(0)
    row(page, "2.25.8").get_by_role("link").click()
    expect(page.locator(".part select").nth(1).locator("option")).to_have_count(2)
