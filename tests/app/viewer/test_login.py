"""A person logs in with a key once. Nothing but that key begins a session, and no other site can use it."""

import json

import pytest

from app.http.keys import COOKIE, CSRF_HEADER
from app.http.limiting import WRONG_KEYS
from app.service.parts import EXTENSION
from app.store import keys
from app.viewer.login import CSRF_COOKIE
from tests.app.conftest import Clock

pytestmark = pytest.mark.slow

KEY = "a-key-of-this-test-alone"
PROTECTED = "/v1/worklist"
SYNTHETIC = f"{PROTECTED}/synthetic"
OTHER_SITE = {"Sec-Fetch-Site": "cross-site"}


def logged_in(client, key=KEY, **form):
    return client.post("/login", data={"key": key, **form})


def token(client) -> dict[str, str]:
    return {CSRF_HEADER: client.get_cookie(CSRF_COOKIE).value}


@pytest.fixture
def client(make_app):
    return make_app(api_keys=(KEY,)).test_client()


def test_a_session_stands_for_the_key(client):
    assert client.get(PROTECTED).status_code == 401
    response = logged_in(client)
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    assert client.get(PROTECTED).status_code == 200
    cookies = response.headers.getlist("Set-Cookie")
    assert all("SameSite=Strict" in cookie and KEY not in cookie for cookie in cookies)
    assert ["HttpOnly" in cookie for cookie in cookies] == [True, False]
    assert not any("Secure" in cookie for cookie in cookies)


def test_the_cookies_of_a_page_that_came_by_tls_never_go_without(client):
    response = client.post("/login", data={"key": KEY}, base_url="https://localhost")
    assert all("Secure" in cookie for cookie in response.headers.getlist("Set-Cookie"))


def test_what_changes_something_needs_the_token_of_our_own_pages(client):
    logged_in(client)
    assert client.post(SYNTHETIC).status_code == 403
    assert client.post(SYNTHETIC, headers={CSRF_HEADER: "0" * 64}).status_code == 403
    assert client.post(SYNTHETIC, headers=token(client) | OTHER_SITE).status_code == 403
    assert client.post("/logout").status_code == 403
    assert client.get(PROTECTED).status_code == 200
    assert client.post(SYNTHETIC, headers=token(client)).status_code == 202


def test_with_the_key_itself_no_token_is_needed(client):
    logged_in(client)
    assert client.post(SYNTHETIC, headers={"X-API-Key": KEY}).status_code == 202


def test_no_other_site_changes_anything_where_nobody_is_asked_for_a_key(make_app):
    client = make_app().test_client()
    assert client.post(SYNTHETIC, headers=OTHER_SITE).status_code == 403
    assert client.get(PROTECTED, headers=OTHER_SITE).status_code == 200


def test_no_other_site_acts_as_the_user_that_a_proxy_names(make_app):
    app = make_app(trusted_proxies="127.0.0.1", user_header="X-User", user_scopes="read,predict", api_keys=(KEY,))
    client, user = app.test_client(), {"X-User": "reader"}
    assert client.post(SYNTHETIC, headers=user | OTHER_SITE).status_code == 403
    assert client.post(SYNTHETIC, headers=user | {"Sec-Fetch-Site": "same-origin"}).status_code == 202


def test_logging_out_ends_the_session_for_whoever_has_the_cookie(client):
    logged_in(client)
    kept = client.get_cookie(COOKIE).value
    assert client.post("/logout", headers=token(client)).status_code == 204
    assert client.get_cookie(COOKIE) is None
    client.set_cookie(COOKIE, kept)
    assert client.get(PROTECTED).status_code == 401


def test_a_session_expires(make_app):
    clock = Clock()
    client = make_app(clock, api_keys=(KEY,), session_hours=1).test_client()
    logged_in(client)
    clock.added_s = 3599
    assert client.get(PROTECTED).status_code == 200
    clock.added_s = 3601
    assert client.get(PROTECTED).status_code == 401


def test_a_revoked_key_ends_its_sessions_and_its_scopes_are_theirs(make_app, monkeypatch):
    monkeypatch.setattr(keys, "CACHE_S", 0.0)
    client = make_app(api_keys=(KEY,)).test_client()
    database = client.application.extensions[EXTENSION].database
    assert logged_in(client, keys.create(database, "reader", ["read"], None)).status_code == 303
    assert client.get(PROTECTED).status_code == 200
    assert client.post(SYNTHETIC, headers=token(client)).status_code == 403
    keys.revoke(database, "reader")
    assert client.get(PROTECTED).status_code == 401
    assert logged_in(client, "x").status_code == 401


def test_another_key_of_the_same_name_has_no_part_in_a_session(make_app):
    first = make_app(api_keys=(KEY,)).test_client()
    logged_in(first)
    cookie = first.get_cookie(COOKIE).value
    first.application.extensions[EXTENSION].stop()
    second = make_app(api_keys=("another-key-of-this-test",)).test_client()
    second.set_cookie(COOKIE, cookie)
    assert second.get(PROTECTED).status_code == 401


def test_wrong_keys_are_slowed_down_together_with_those_in_headers(client):
    for number in range(WRONG_KEYS.amount):
        wrong = f"wrong-{number}"
        by_header = client.get(PROTECTED, headers={"X-API-Key": wrong}) if number % 2 else None
        refused = by_header or logged_in(client, wrong)
        assert refused.status_code == 401
    refused = logged_in(client, "wrong again")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "Too many wrong API keys" in refused.text
    assert client.get_cookie(COOKIE) is None


def test_a_refusal_is_the_form_again_with_the_reason_and_without_the_key(client):
    refused = logged_in(client, 'x"><img src=x onerror=alert(1)>')
    assert (refused.status_code, refused.mimetype) == (401, "text/html")
    assert "isn&#39;t one of ours" in refused.text
    assert "<img" not in refused.text
    assert "onerror" not in refused.text


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/studies/" + 32 * "a", "/studies/" + 32 * "a"),
        ("/studies/" + 32 * "a" + "/report", "/studies/" + 32 * "a" + "/report"),
        ("/v1/predictions/" + 32 * "a" + "/report.pdf", "/v1/predictions/" + 32 * "a" + "/report.pdf"),
        ("/v1/models/demo/model-card.md", "/v1/models/demo/model-card.md"),
        ("/?state=done&sort=oldest", "/?state=done&sort=oldest"),
        ("/no/such/page", "/"),
        ("/logout", "/"),
        ("/%2F/elsewhere.example", "/"),
        ("/ohif/viewer?StudyInstanceUIDs=1.2,3.4", "/ohif/viewer?StudyInstanceUIDs=1.2,3.4"),
        ("/ohif/", "/ohif/"),
        ("/ohif//elsewhere.example", "/"),
        ("/ohif.elsewhere.example", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/login", "/"),
    ],
)
def test_logging_in_leads_to_our_own_pages_only(client, wanted, goes):
    assert logged_in(client, next=wanted).headers["Location"] == goes


def test_the_database_holds_nothing_that_begins_a_session(client, tmp_path):
    logged_in(client)
    cookie = client.get_cookie(COOKIE).value.encode()
    client.application.extensions[EXTENSION].stop()
    for path in (tmp_path / "var").rglob("*"):
        if path.is_file():
            assert cookie not in path.read_bytes()
            assert KEY.encode() not in path.read_bytes()


def test_the_audit_trail_says_who_logged_in_and_who_failed(client, tmp_path):
    logged_in(client, "wrong")
    logged_in(client)
    client.post("/logout", headers=token(client))
    (file,) = (tmp_path / "var" / "audit").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    said = [(line["what"], line["outcome"], line.get("key")) for line in lines if line["what"].startswith("POST /log")]
    assert said == [
        ("POST /login", 401, None),
        ("POST /login", 303, "environment 1"),
        ("POST /logout", 204, "environment 1"),
    ]


def test_where_no_key_is_asked_for_there_is_nothing_to_log_in_to(make_app):
    client = make_app().test_client()
    assert client.get("/login").status_code == 303
    assert logged_in(client, "any").status_code in (401, 429)
