"""What a bundle for the root of a server becomes at another path. Its files stay as they are."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from app.ohif.ready_bundle import NotReady, ReadyBundle, inline_scripts
from tests.app.ohif.bundle import PAGE, WASM, written

PLACE = "/ohif/files/v1/"
REAL = sorted(Path("build/viewers").glob("ohif-*/dist"))


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "dist")


def test_the_page_names_its_files_at_the_other_path(folder):
    page = ReadyBundle(folder).page(PLACE)
    assert re.findall(r'(?:src|href|content)="([^"]*)"', page) == [
        f"{PLACE}assets/icon.xml",
        f"{PLACE}assets/icon.svg",
        f"{PLACE}app-config.js",
        f"{PLACE}app.bundle.0123456789abcdef.js",
        f"{PLACE}app.bundle.css",
        "//elsewhere.example/",
    ]
    assert f'window.PUBLIC_URL="{PLACE}"' in page


def test_scripts_and_style_sheets_name_theirs_there_too_and_nothing_else_changes(folder):
    bundle = ReadyBundle(folder)
    assert bundle.file("worker.js", PLACE).count(f'__webpack_require__.p = "{PLACE}";'.encode()) == 1
    assert f"url({PLACE}own.woff2)".encode() in bundle.file("app.bundle.css", PLACE)
    assert b"url(data:image/gif" in bundle.file("app.bundle.css", PLACE)
    assert bundle.file("0123456789abcdef.wasm", PLACE) == WASM
    assert (folder / "index.html").read_text() == PAGE


@pytest.mark.parametrize(
    "name", ["../secret.js", "assets/../../secret.js", "/etc/passwd", "none.js", "assets", "", "."]
)
def test_no_other_file_is_read(folder, name):
    assert ReadyBundle(folder).file(name, PLACE) is None


def test_scripts_in_the_page_are_named_by_their_digests(folder):
    page = ReadyBundle(folder).page(PLACE)
    digest = hashlib.sha256(f'window.PUBLIC_URL="{PLACE}"'.encode()).digest()
    assert inline_scripts(page) == [f"'sha256-{base64.b64encode(digest).decode()}'"]


def test_the_version_changes_with_the_files(folder):
    before = ReadyBundle(folder).version
    assert ReadyBundle(folder).version == before
    (folder / "app.bundle.css").write_text("a {}")
    assert ReadyBundle(folder).version != before


def test_what_is_no_such_bundle_is_told(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for missing in (tmp_path / "none", tmp_path / "empty", folder / "index.html"):
        with pytest.raises(NotReady, match=r"has no index\.html"):
            ReadyBundle(missing)
    (folder / "app.bundle.0123456789abcdef.js").write_text('__webpack_require__.p = "/elsewhere/";')
    with pytest.raises(NotReady, match="isn't the folder dist"):
        ReadyBundle(folder)
    (folder / "index.html").write_text("<p>another page</p>")
    with pytest.raises(NotReady, match="isn't the folder dist"):
        ReadyBundle(folder)


@pytest.mark.skipif(not REAL, reason="OHIF isn't in build/: make viewers fetches it")
def test_nothing_in_the_real_bundles_is_left_at_the_root():
    for folder in REAL:
        bundle = ReadyBundle(folder)
        assert not re.findall(r' (?:src|href)="/(?!ohif/files/v1/)', bundle.page(PLACE))
        for path in [*folder.glob("*.bundle.*.js"), *folder.glob("*.css")]:
            content = bundle.file(path.name, PLACE)
            assert not re.search(rb'__webpack_require__\.p = "/"|url\(["\']?/(?!ohif/files/v1/)', content), path.name
