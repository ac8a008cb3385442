import pytest


@pytest.fixture
def client(make_app):
    return make_app(api_keys=("first key", "second key")).test_client()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": "Basic Zmlyc3Qga2V5Og=="}, 401),
        ({"X-API-Key": "first"}, 403),
        ({"X-API-Key": "first key"}, 200),
        ({"Authorization": "Bearer first key"}, 200),
        ({"Authorization": "Bearer second key"}, 200),
        ({"Authorization": "Bearer third key"}, 403),
        ({"X-API-Key": "\u00e9"}, 403),
    ],
)
def test_only_a_right_key_opens(client, headers, status):
    response = client.get("/v1/models", headers=headers)
    assert response.status_code == status
    if status != 200:
        assert response.mimetype == "application/problem+json"
        assert ("WWW-Authenticate" in response.headers) == (status == 401)


def test_everything_under_v1_is_locked(client):
    for method, path in [("POST", "/v1/predictions"), ("DELETE", "/v1/predictions/x"), ("GET", "/v1/nothing")]:
        assert client.open(path, method=method).status_code == 401


def test_health_needs_no_key(client):
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_without_keys_nothing_is_asked(make_app):
    assert make_app().test_client().get("/v1/models").status_code == 200
