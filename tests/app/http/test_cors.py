"""What a browser asks and reads, for a page of another origin."""

import pytest

VIEWER = "https://viewer.example:3000"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "accept, x-api-key"}
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def client(make_app):
    return make_app(api_keys=("key",), viewers=("http://127.0.0.1:8080", VIEWER)).test_client()


@pytest.mark.parametrize("path", ["/dicom-web/studies", "/v1/predictions"])
def test_a_listed_viewer_may_read_with_a_key(client, path):
    asked = client.options(path, headers={"Origin": VIEWER, **PREFLIGHT})
    assert (asked.status_code, asked.headers[ALLOWED]) == (200, VIEWER)
    assert {"accept", "x-api-key"} <= set(asked.headers["Access-Control-Allow-Headers"].lower().split(", "))
    answered = client.get(path, headers={"Origin": VIEWER, "X-API-Key": "key"})
    assert (answered.status_code < 300, answered.headers[ALLOWED]) == (True, VIEWER)
    refused = client.get(path, headers={"Origin": VIEWER})
    assert (refused.status_code, refused.headers[ALLOWED]) == (401, VIEWER)  # so that the page can say why


@pytest.mark.slow
@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "https://viewer.example", f"{VIEWER}.evil.example", "null"]
)
def test_no_other_page_may(client, origin):
    assert ALLOWED not in client.options("/dicom-web/studies", headers={"Origin": origin, **PREFLIGHT}).headers
    assert ALLOWED not in client.get("/dicom-web/studies", headers={"Origin": origin, "X-API-Key": "key"}).headers


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_viewer_changes_nothing(client, method):
    headers = {"Origin": VIEWER, **PREFLIGHT, "Access-Control-Request-Method": method}
    assert "Access-Control-Allow-Methods" not in client.options("/dicom-web/studies", headers=headers).headers


def test_without_a_list_no_page_may(make_app):
    client = make_app().test_client()
    assert ALLOWED not in client.get("/dicom-web/studies", headers={"Origin": VIEWER}).headers
