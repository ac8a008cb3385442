"""Who may do what: keys and their scopes, wrong keys, users that a proxy names."""

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.http.limiting import WRONG_KEYS
from app.store.database import Database
from app.store.keys import SCOPES, create, revoke
from app.store.opening import open_database
from tests.app.conftest import Clock

OWN = "our own first key, 31 characters"
MODELS, PREDICTIONS, STUDIES = "/v1/models", "/v1/predictions", "/dicom-web/studies"
# One request of each kind, by the scope that it needs.
REQUESTS = {
    "read": [
        ("GET", PREDICTIONS),
        ("HEAD", PREDICTIONS),
        ("GET", f"{PREDICTIONS}/x"),
        ("GET", f"{PREDICTIONS}/x/slices/0/image.png"),
        ("GET", f"{PREDICTIONS}/x/map.npz"),
        ("GET", f"{PREDICTIONS}/x/dicom/sr.dcm"),
        ("GET", STUDIES),
        ("GET", f"{STUDIES}/2.25.1"),
        ("GET", f"{STUDIES}/2.25.1/metadata"),
        ("GET", f"{STUDIES}/2.25.1/series/2.25.2/instances/2.25.3/rendered"),
    ],
    "predict": [("POST", PREDICTIONS)],
    "store": [("POST", STUDIES), ("POST", f"{STUDIES}/2.25.1")],
    "admin": [("DELETE", f"{PREDICTIONS}/x"), ("DELETE", f"{STUDIES}/2.25.1")],
}


@pytest.fixture
def database(tmp_path) -> Database:
    return open_database("", tmp_path / "var")


@pytest.fixture
def client(make_app) -> FlaskClient:
    return make_app(api_keys=("first key", "second key")).test_client()


def get(client: FlaskClient, key: str | None, path: str = MODELS, address: str = "127.0.0.1", **headers: str):
    """GET with a key, from an address."""
    sent = headers | ({} if key is None else {"X-API-Key": key})
    return client.get(path, headers=sent, environ_base={"REMOTE_ADDR": address})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": "Basic Zmlyc3Qga2V5Og=="}, 401),
        ({"X-API-Key": "first"}, 401),
        ({"X-API-Key": "first key"}, 200),
        ({"Authorization": "Bearer first key"}, 200),
        ({"Authorization": "Bearer second key"}, 200),
        ({"Authorization": "Bearer third key"}, 401),
        ({"X-API-Key": "\u00e9"}, 401),
    ],
)
def test_only_a_right_key_opens(client, headers, status):
    response = client.get("/v1/models", headers=headers)
    assert response.status_code == status
    if status != 200:
        assert response.mimetype == "application/problem+json"
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")


def test_everything_under_v1_is_locked(client):
    for method, path in [("POST", "/v1/predictions"), ("DELETE", "/v1/predictions/x"), ("GET", "/v1/nothing")]:
        assert client.open(path, method=method).status_code == 401


def test_health_needs_no_key(client):
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_without_keys_nothing_is_asked(make_app):
    client = make_app().test_client()
    assert client.get("/v1/models").status_code == 200
    assert get(client, "a key that nobody made").status_code == 200


def test_a_key_does_what_its_scopes_say_and_nothing_else(make_app, database):
    keys = {scope: create(database, scope, [scope], None) for scope in SCOPES}
    client = make_app().test_client()
    for scope, key in keys.items():
        assert get(client, key).status_code == 200
        for wanted, requests in REQUESTS.items():
            for method, path in requests:
                response = client.open(path, method=method, headers={"X-API-Key": key})
                assert (response.status_code == 403) == (wanted != scope), (scope, method, path, response.status)
                if response.status_code == 403 and method != "HEAD":
                    assert f"the scope {wanted}" in response.json["detail"]


def test_every_scope_is_in_the_table_of_the_page():
    page = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `")]
    assert {scope for scope in SCOPES if any(line.startswith(f"| `{scope}`") for line in table)} == set(SCOPES)


@pytest.mark.slow
def test_a_key_is_refused_when_it_has_expired(make_app, database):
    clock = Clock()
    key = create(database, "viewer", ["read"], clock() + 60)
    client = make_app(clock).test_client()
    assert get(client, key).status_code == 200
    clock.added_s = 61
    response = get(client, key)
    assert (response.status_code, "WWW-Authenticate" in response.headers) == (401, True)
    assert "expired" in response.json["detail"]


@pytest.mark.slow
def test_a_key_is_refused_when_it_is_revoked_and_the_service_stays_locked(make_app, database, at_once):
    client = make_app().test_client()
    assert get(client, None).status_code == 200
    key = create(database, "viewer", ["read"], None)
    assert (get(client, None).status_code, get(client, key).status_code) == (401, 200)
    revoke(database, "viewer")
    assert (get(client, None).status_code, get(client, key).status_code) == (401, 401)


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Changes of keys are known at once, not within two seconds."""
    monkeypatch.setattr("app.store.keys.CACHE_S", 0.0)


@pytest.fixture
def guessing(make_app, database) -> tuple[FlaskClient, str]:
    """A service with an own key and one of the command, after as many wrong keys as are allowed from one address."""
    key = create(database, "viewer", ["read"], None)
    client = make_app(api_keys=(OWN,), trusted_proxies=(ip_network("10.0.0.1"),)).test_client()
    for number in range(WRONG_KEYS.amount):
        assert get(client, f"guess {number}", address="192.0.2.1").status_code == 401
    return client, key


def test_wrong_keys_are_slowed_down(guessing):
    client, _ = guessing
    for wrong in ("another guess", "", OWN[:-1]):
        response = get(client, wrong or None, address="192.0.2.1")
        assert response.status_code == (429 if wrong else 401)
        if wrong:
            assert 1 <= int(response.headers["Retry-After"]) <= 60
            assert response.mimetype == "application/problem+json"
    assert client.get("/healthz", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


@pytest.mark.slow
def test_other_addresses_are_not(guessing):
    client, _ = guessing
    for address in ("192.0.2.2", "2001:db8::1", "10.0.0.1"):
        assert get(client, OWN, address=address).status_code == 200
        assert get(client, "a guess", address=address).status_code == 401


def test_an_own_key_waits_with_the_guesses_and_one_of_the_command_does_not(guessing):
    """A guess that is right must look like one that is wrong. 256 random bits are guessed by nobody."""
    client, key = guessing
    right, wrong = (get(client, sent, address="192.0.2.1") for sent in (OWN, "a guess"))
    assert right.status_code == 429
    assert right.json == wrong.json
    assert get(client, key, address="192.0.2.1").status_code == 200


@pytest.mark.slow
def test_a_proxy_that_is_trusted_says_whose_guesses_they_are(guessing):
    client, _ = guessing
    for forwarded, status in (("192.0.2.1", 429), ("198.51.100.7, 192.0.2.1", 429), ("192.0.2.7", 200)):
        assert get(client, OWN, address="10.0.0.1", **{"X-Forwarded-For": forwarded}).status_code == status
    assert get(client, OWN, address="192.0.2.1", **{"X-Forwarded-For": "192.0.2.7"}).status_code == 429


@pytest.mark.slow
def test_many_ipv6_addresses_of_one_network_are_one_client(client):
    statuses = [
        get(client, "guess", address=f"2001:db8::{number + 1:x}").status_code for number in range(WRONG_KEYS.amount + 3)
    ]
    assert statuses == [401] * WRONG_KEYS.amount + [429] * 3


@pytest.mark.slow
def test_no_key_and_expired_keys_are_no_guesses(make_app, database):
    key = create(database, "viewer", ["read"], 1.0)
    client = make_app(api_keys=(OWN,)).test_client()
    statuses = {get(client, sent).status_code for _ in range(WRONG_KEYS.amount + 2) for sent in (None, key)}
    assert statuses == {401}
    assert get(client, OWN).status_code == 200


@pytest.mark.slow
def test_requests_with_one_key_can_be_limited(make_app, database):
    keys = [create(database, name, ["read"], None) for name in ("viewer", "pacs")]
    client = make_app(key_rate=3).test_client()
    assert [get(client, keys[0]).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert 1 <= int(get(client, keys[0]).headers["Retry-After"]) <= 60
    assert get(client, keys[1]).status_code == 200


@pytest.fixture
def behind_proxy(make_app, database) -> Callable:
    """Sends requests through a service that believes a proxy at 10.0.0.1."""
    key = create(database, "pacs", ["store"], None)
    client = make_app(trusted_proxies=(ip_network("10.0.0.1"),), user_header="X-Remote-User").test_client()

    def send(user: str | None, path: str = PREDICTIONS, address: str = "10.0.0.1", with_key: bool = False) -> int:
        headers = {} if user is None else {"X-Remote-User": user}
        return get(client, key if with_key else None, path, address, **headers).status_code

    return send


@pytest.mark.slow
def test_a_user_that_a_trusted_proxy_names_needs_no_key(behind_proxy):
    for user in ("mori", "a.mori@hospital.example", "RADIOLOGY\\mori"):
        assert behind_proxy(user) == 200, user
    for user in (None, "", "mori,root", "mori root", "<b>", "m" * 65):
        assert behind_proxy(user) == 401, user


def test_nobody_else_can_name_a_user(behind_proxy):
    for address in ("192.0.2.1", "10.0.0.2", "127.0.0.1"):
        assert behind_proxy("mori", address=address) == 401
    assert behind_proxy("mori", with_key=True) == 403  # a key counts before the user


@pytest.mark.slow
def test_a_user_has_the_scopes_of_the_setting(make_app):
    client = make_app(
        trusted_proxies=(ip_network("10.0.0.1"),), user_header="X-Remote-User", user_scopes=("predict", "read")
    ).test_client()
    sent = {"headers": {"X-Remote-User": "mori"}, "environ_base": {"REMOTE_ADDR": "10.0.0.1"}}
    assert client.post(PREDICTIONS, data=b"no study", **sent).status_code == 422
    assert client.delete(f"{PREDICTIONS}/x", **sent).status_code == 403
