"""OHIF at /ohif: its page and its files, who gets there, and the link that leads there. The bundle is a small one."""

import gzip
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from app.service.environment import SettingsError
from app.service.parts import EXTENSION
from app.service.settings import Settings
from app.viewer.pages import POLICY
from tests.app.conftest import settled
from tests.app.ohif.bundle import WASM, written
from tests.app.studies import instances, study_zip, voxels
from tests.loopback import served

KEY = "a-key-of-this-test-alone"
STUDY = "2.25.7"
VIEWER = f"/ohif/viewer?StudyInstanceUIDs={STUDY}"


@pytest.fixture
def with_ohif(make_app, tmp_path):
    """Starts services that have OHIF."""
    folder = written(tmp_path / "dist")
    return lambda **settings: make_app(**{"ohif": str(folder)} | settings)


@pytest.fixture
def client(with_ohif):
    return with_ohif().test_client()


def place(client) -> str:
    """Where the files are."""
    return re.search(r'src="(/ohif/files/[^"]+/)app-config\.js"', client.get("/ohif/").text)[1]


@pytest.mark.parametrize("path", ["/ohif/", VIEWER, "/ohif/viewer/dicomweb", "/ohif/..%2fsecret.js", "/ohif/worker.js"])
def test_every_path_gives_the_page_which_reads_it_itself(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert 'window.PUBLIC_URL="/ohif/files/' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_address_without_a_slash_leads_there(client):
    assert client.get("/ohif", follow_redirects=True).request.path == "/ohif/"


def test_files_have_their_types_and_are_kept_under_their_version_only(client):
    at = place(client)
    wasm = client.get(f"{at}0123456789abcdef.wasm")
    assert (wasm.data, wasm.mimetype) == (WASM, "application/wasm")
    types = {name: client.get(at + name).mimetype for name in ("worker.js", "app.bundle.css", "assets/icon.svg")}
    assert types == {"worker.js": "text/javascript", "app.bundle.css": "text/css", "assets/icon.svg": "image/svg+xml"}
    assert wasm.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert wasm.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/ohif/files/another-version/worker.js").headers["Cache-Control"] == "no-store"


def test_scripts_are_packed_for_those_who_take_it(client):
    at = place(client)
    for name in ("worker.js", "app-config.js", "app.bundle.css"):
        plain, packed = client.get(at + name), client.get(at + name, headers={"Accept-Encoding": "gzip"})
        assert (gzip.decompress(packed.data), packed.headers["Content-Encoding"]) == (plain.data, "gzip")
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    wasm = client.get(f"{at}0123456789abcdef.wasm", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in wasm.headers
    assert client.get(f"{at}none.js", headers={"Accept-Encoding": "gzip"}).status_code == 404


@pytest.mark.parametrize("name", ["..%2fsecret.js", "../secret.js", "assets/..%2f..%2fsecret.js", "none.js", "assets"])
def test_no_other_file_is_served(client, name):
    assert client.get(place(client) + name).status_code == 404


def test_the_configuration_is_ours_and_names_no_other_server(client):
    script = client.get(f"{place(client)}app-config.js").text
    assert "location.origin}/dicom-web" in script
    assert "http" not in script.replace("httpErrorHandler", "")


def test_the_policy_is_looser_for_ohif_alone(client):
    ohif = client.get("/ohif/").headers["Content-Security-Policy"]
    (scripts,) = re.findall(r"script-src ([^;]*);", ohif)
    assert re.fullmatch(r"'self' 'unsafe-eval' 'sha256-[A-Za-z0-9+/]{43}='", scripts)
    assert "default-src 'none'" in ohif
    assert "http" not in ohif
    assert client.get("/").headers["Content-Security-Policy"] == POLICY


def test_a_service_without_it_has_no_such_page(make_app):
    client = make_app(api_keys=(KEY,)).test_client()
    for path in ("/ohif/", VIEWER, "/ohif/files/1/index.html"):
        assert client.get(path).status_code == 404
    assert "ohif" not in client.get(f"/studies/{32 * '0'}").text


def test_who_must_log_in_comes_back(with_ohif):
    client = with_ohif(api_keys=(KEY,)).test_client()
    refused = client.get(VIEWER)
    form = urlsplit(refused.headers["Location"])
    assert (refused.status_code, form.path, parse_qs(form.query)) == (303, "/login", {"next": [VIEWER]})
    assert client.post("/login", data={"key": KEY, "next": VIEWER}).headers["Location"] == VIEWER
    assert client.get(VIEWER).status_code == 200
    assert client.get("/dicom-web/studies").status_code == 204
    client.delete_cookie("cruciate_session")
    searched = urlsplit(client.get("/ohif/?patientname=Doe&StudyInstanceUIDs=1.2,3").headers["Location"])
    assert parse_qs(searched.query) == {"next": ["/ohif/?StudyInstanceUIDs=1.2,3"]}
    client.set_cookie("cruciate_session", "no session")
    assert client.get(VIEWER).status_code == 303


def test_opening_it_without_a_session_leaves_no_guess_of_a_key_unaudited(with_ohif, tmp_path):
    client = with_ohif(api_keys=(KEY,)).test_client()
    for _ in range(50):
        client.get(VIEWER)
    client.get("/dicom-web/studies", headers={"X-API-Key": "a guess"})
    (file,) = (tmp_path / "var" / "audit").glob("*.jsonl")
    assert '"GET /dicom-web/studies"' in file.read_text()


def test_a_user_whom_a_proxy_names_and_a_key_in_a_header_need_no_form(with_ohif):
    client = with_ohif(api_keys=(KEY,), trusted_proxies="127.0.0.1", user_header="X-User").test_client()
    assert client.get(VIEWER, headers={"X-User": "reader"}).status_code == 200
    assert client.get(VIEWER, headers={"X-API-Key": KEY}).status_code == 200
    # From elsewhere the name counts nothing, nor does a password.
    elsewhere = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    assert client.get(VIEWER, headers={"X-User": "reader"}, **elsewhere).status_code == 303
    assert client.get(VIEWER, headers={"Authorization": "Basic dTpw"}).status_code == 303


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_folder_without_ohif_is_told_at_the_start(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"CRUCIATE_OHIF: .* has no index\.html"):
        Settings.from_environment({"CRUCIATE_OHIF": str(tmp_path / name)})
    assert Settings.from_environment({"CRUCIATE_OHIF": ""}).ohif is None


@pytest.mark.slow
def test_in_a_browser_everything_loads_and_runs(with_ohif, page):
    with served(with_ohif(api_keys=(KEY,))) as origin:
        page.goto(origin + VIEWER)
        page.get_by_label("Key").fill(KEY)
        page.keyboard.press("Enter")
        root = page.locator("#root")
        for said in ("under /ohif", "decoded, more at /ohif/files/", "compiled", "evaluated", "studies 204"):
            expect(root).to_contain_text(said)
        assert page.url == origin + VIEWER
        page.context.clear_cookies(name="cruciate_session")
        page.reload()
        expect(page).to_have_url(re.compile(r"/login\?next=/ohif/viewer\?StudyInstanceUIDs"))


@pytest.mark.slow
def test_a_session_that_ends_meanwhile_leads_to_the_form(with_ohif, page):
    with served(with_ohif(api_keys=(KEY,))) as origin:
        page.goto(f"{origin}/login?next=/ohif/%3FStudyInstanceUIDs=1.2%26patientname=Doe")
        page.get_by_label("Key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#root")).to_contain_text("studies 204")
        page.context.clear_cookies(name="cruciate_session")
        page.evaluate("fetch('/dicom-web/studies').then((answer) => window.config.httpErrorHandler(answer))")
        expect(page).to_have_url(re.compile(r"/login\?next=%2Fohif%2F%3FStudyInstanceUIDs%3D1\.2$"))


@pytest.mark.slow
def test_the_study_page_leads_there_if_the_images_are_held(with_ohif, page):
    app = with_ohif(quiet_s=0)
    client = app.test_client()
    posted = client.post("/v1/predictions", data=study_zip(), content_type="application/zip").json
    with served(app) as origin:
        page.goto(f"{origin}/studies/{posted['id']}")
        page.wait_for_selector("#study[data-complete]")
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("link", name="Open in OHIF")).to_be_hidden()
        app.extensions[EXTENSION].instances.receive(("", file) for file in instances(voxels()))
        settled(client, f"/v1/predictions/{posted['id']}")
        page.reload()
        page.get_by_role("link", name="Open in OHIF").click()
        expect(page.locator("#root")).to_contain_text("studies 200")
        assert page.url == origin + VIEWER


@pytest.mark.slow
def test_it_does_not_lead_around_a_hidden_opinion(with_ohif, page):
    app = with_ohif(hide_opinion="until-read")
    client = app.test_client()
    posted = client.post("/v1/predictions", data=study_zip(), content_type="application/zip").json
    app.extensions[EXTENSION].instances.receive(("", file) for file in instances(voxels()))
    with served(app) as origin:
        page.goto(f"{origin}/studies/{posted['id']}")
        page.wait_for_selector("#study[data-complete]")
        page.wait_for_load_state("networkidle")
        expect(page.get_by_text("The model's opinion is hidden")).to_be_visible()
        link = page.get_by_role("link", name="Open in OHIF")
        expect(link).to_be_hidden()
        page.evaluate("document.dispatchEvent(new CustomEvent('cruciate:opinion', {detail: {shown: true}}))")
        expect(link).to_be_visible()


@pytest.mark.slow
def test_results_alone_are_not_enough(with_ohif, page):
    app = with_ohif()
    client = app.test_client()
    posted = client.post("/v1/predictions", data=study_zip(), content_type="application/zip").json
    report = client.get(f"/v1/predictions/{posted['id']}/dicom/sr.dcm").data
    app.extensions[EXTENSION].instances.keep([report])
    assert client.get(f"/dicom-web/studies/{STUDY}/series").status_code == 200
    with served(app) as origin:
        page.goto(f"{origin}/studies/{posted['id']}")
        page.wait_for_selector("#study[data-complete]")
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("link", name="Open in OHIF")).to_be_hidden()
