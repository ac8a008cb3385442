import json

from tests.app.studies import study_zip


def lines(caplog) -> list[dict]:
    return [json.loads(record.message) for record in caplog.records if record.name == "app.http.request_log"]


def test_one_line_for_each_request(client, caplog):
    caplog.set_level("INFO")
    response = client.post("/v1/predictions", data=study_zip(), content_type="application/zip")
    client.get(response.headers["Location"])
    post, get = lines(caplog)
    assert (post["method"], post["route"], post["status"]) == ("POST", "/v1/predictions", 201)
    assert post["id"] == get["id"] == response.json["id"]
    assert all(line["ms"] > 0 and line["ms"] == round(line["ms"], 1) for line in (post, get))


def test_nothing_that_a_client_typed_is_logged(client, caplog):
    caplog.set_level("DEBUG")
    client.get("/v1/predictions/Quibble?name=Quibble")
    client.get("/Quibble", headers={"User-Agent": "Quibble"})
    client.post("/v1/predictions?bundle=Quibble", data=b"Quibble", content_type="application/zip")
    assert len(lines(caplog)) == 3
    assert "Quibble" not in caplog.text
