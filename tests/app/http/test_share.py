"""One caller leaves places in the queue to others."""

import threading

import pytest
from werkzeug.exceptions import TooManyRequests

from app.http.share import Shares
from app.service.parts import EXTENSION
from app.store.keys import create
from app.store.opening import open_database
from tests.app.conftest import settled
from tests.app.studies import study_zip

POST = {"path": "/v1/predictions", "content_type": "application/zip"}


def test_places_are_taken_and_given_back():
    shares = Shares(2)
    places = [shares.take("a"), shares.take("a")]
    with pytest.raises(TooManyRequests, match="2 studies of this key or user are waiting"):
        shares.take("a")
    shares.take("b")
    places.pop()()
    shares.take("a")
    assert set(shares._taken) == {"a", "b"}


def test_a_caller_without_a_place_takes_no_memory():
    shares = Shares(1)
    for number in range(1000):
        shares.take(f"user {number}")()
    assert len(shares._taken) == 0


@pytest.mark.slow
def test_a_key_fills_its_share_of_the_queue_and_another_key_still_sends(make_app, tmp_path):
    database = open_database("", tmp_path / "var")
    keys = [create(database, name, ["predict", "read"], None) for name in ("busy", "other")]
    app = make_app(key_share=0.5, queue=4)
    client, released = app.test_client(), threading.Event()
    # The engine's one thread waits here, as it would for a large study.
    store = app.extensions[EXTENSION].store
    finish = store.finish
    store.finish = lambda *rest: (released.wait(30), finish(*rest))[1]

    def post(key: str, seed: int):
        headers = {"X-API-Key": key, "Prefer": "respond-async"}
        return client.post(data=study_zip(seed), headers=headers, **POST)

    accepted = [post(keys[0], seed) for seed in range(2)]
    assert [response.status_code for response in accepted] == [202, 202]
    refused = post(keys[0], 2)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert "2 studies" in refused.json["detail"]
    assert post(keys[1], 3).status_code == 202
    client.post(data=b"no study", headers={"X-API-Key": keys[1]}, **POST)  # a refused study takes no place
    assert post(keys[1], 4).status_code == 202
    released.set()
    client.environ_base["HTTP_X_API_KEY"] = keys[0]
    for response in accepted:
        assert settled(client, response.headers["Location"])["status"] == "done"
    assert post(keys[0], 5).status_code == 202
