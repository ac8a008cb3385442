import re

import pytest

pytestmark = pytest.mark.slow

ELSEWHERE = re.compile(rb"""(?:src|href)=["']?(?:https?:)?//""")


def test_the_page_needs_no_key_and_nothing_from_elsewhere(make_app):
    client = make_app(api_keys=("k",)).test_client()
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert client.get("/v1/models").status_code == 401
    assert not ELSEWHERE.search(page.data)
    parts = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
    assert len(parts) == 3
    for part in parts:
        response = client.get(f"/{part}")
        assert response.status_code == 200
        assert response.mimetype == ("text/css" if part.endswith("css") else "text/javascript")
    assert 'url: "openapi.json"' in client.get("/docs/docs.js").text


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js", "/docs/swagger-ui.css"])
def test_a_browser_is_told_to_load_nothing_from_elsewhere(answered, path):
    response = answered[0].get(path)
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy.pop("default-src") == "'none'"
    assert {source for sources in policy.values() for source in sources.split()} <= {
        "'self'",
        "'none'",
        "'unsafe-inline'",
        "data:",
    }
    assert "'unsafe-inline'" not in policy["script-src"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("part", ["factory.py", "..%2Ffactory.py", "index.html"])
def test_no_other_file_is_served(answered, part):
    assert answered[0].get(f"/docs/{part}").status_code == 404
