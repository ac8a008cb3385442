import json
import re

import pytest

from app.viewer.files import FOLDER, STATIC, VERSION

ELSEWHERE = re.compile(r"""(?:src|href|action)=["']?(?:https?:)?//""")
INLINE = re.compile(r"""<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)""")


@pytest.mark.parametrize("path", ["/", "/studies/" + 32 * "0"])
def test_a_page_needs_no_key_nothing_from_elsewhere_and_no_inline_script_or_style(make_app, path):
    client = make_app(api_keys=("k",)).test_client()
    page = client.get(path)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.headers["Cache-Control"] == "no-store"
    assert not ELSEWHERE.search(page.text)
    assert not INLINE.search(page.text)
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "Research use only, not for diagnosis" in page.text
    loaded = re.findall(r'(?:src|href)="(/viewer/[^"]+)"', page.text)
    assert len(loaded) >= 4
    assert {client.get(address).status_code for address in loaded} == {200}


def test_a_file_is_kept_by_the_browser_under_its_version_only(answered):
    client, _ = answered
    kept = client.get(f"/viewer/{VERSION}/base.css").headers["Cache-Control"]
    assert kept == "public, max-age=31536000, immutable"
    assert client.get("/viewer/0123456789abcdef/base.css").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["../pages.py", "..%2Fpages.py", "strings/../../texts.py", "strings/de.js", "none.js"])
def test_no_other_file_is_served(answered, name):
    assert answered[0].get(f"/viewer/{VERSION}/{name}").status_code == 404


def test_every_text_that_a_page_names_exists():
    texts = json.loads((FOLDER / "strings" / "en.json").read_text())
    named = {
        name
        for path in [*STATIC.rglob("*.js"), *(FOLDER / "templates").glob("*.html")]
        for name in re.findall(r"""\bt\(["'`]([a-z_.-]+)""", path.read_text())
    }
    # A name that ends with a dot is completed by a value: `t("worklist.state." ~ state)`.
    assert {name for name in named if not any(text.startswith(name) for text in texts)} == set()
    assert {name for name in named if not name.endswith(".")} - set(texts) == set()


def test_what_comes_in_the_address_is_text(answered):
    page = answered[0].get('/studies/"><img src=x onerror=alert(1)>')
    assert "<img" not in page.text
