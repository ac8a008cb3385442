"""Which requests are in the audit trail, and what their lines say."""

import json
from ipaddress import ip_network

import pytest

from app.http.limiting import WRONG_KEYS
from app.store.keys import create
from app.store.opening import open_database
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels, zipped
from tests.app.trail_lines import digest, trail_lines

pytestmark = pytest.mark.slow


STUDY = digest("2.25.7")


@pytest.fixture
def lines(tmp_path):
    """The lines so far, without what is in every line."""
    return lambda: trail_lines(tmp_path / "var")


def test_what_happens_to_a_prediction_is_written(make_app, lines, tmp_path):
    key = create(open_database("", tmp_path / "var"), "pacs", ["predict", "read", "admin"], None)
    client = make_app().test_client()
    sent = {"headers": {"X-API-Key": key}, "environ_base": {"REMOTE_ADDR": "192.0.2.1"}}
    answer = client.post("/v1/predictions", data=study_zip(), content_type="application/zip", **sent).json
    place = f"/v1/predictions/{answer['id']}"
    for path in (place, f"{place}/slices/0/image.png", f"{place}/map.npz", f"{place}/dicom/sr.dcm"):
        assert client.get(path, **sent).status_code == 200
    assert client.delete(place, **sent).status_code == 204
    everywhere = {"key": "pacs", "address": "192.0.2.1", "prediction": answer["id"], "study": STUDY}
    model = {"bundle": answer["bundle"]["name"], "sha256": answer["bundle"]["sha256"]}
    computed = {"what": "prediction", "outcome": "done", "prediction": answer["id"], "study": STUDY, **model}
    assert lines() == [computed] + [
        {"what": what, "outcome": outcome, **everywhere, **model}
        for what, outcome in [
            ("POST /v1/predictions", 201),
            ("GET /v1/predictions/<id>", 200),
            ("GET /v1/predictions/<id>/slices/<int:index>/image.png", 200),
            ("GET /v1/predictions/<id>/map.npz", 200),
            ("GET /v1/predictions/<id>/dicom/<kind>.dcm", 200),
            ("DELETE /v1/predictions/<id>", 204),
        ]
    ]


def test_what_happens_to_a_study_is_written_with_a_digest_of_its_uid(client, lines):
    place = "/dicom-web/studies/2.25.7"
    two_studies = [instances(voxels(), study, f"{study}.1")[0] for study in ("2.25.6", "2.25.7")]
    client.post(place, data=body(instances(voxels())[:1]), content_type=RELATED)
    client.post("/dicom-web/studies", data=body(two_studies), content_type=RELATED)
    client.post("/dicom-web/studies", data=body([b"no instance"]), content_type=RELATED)
    client.get(f"{place}/series/2.25.8/metadata")
    client.get("/dicom-web/studies?PatientName=Quibble*")
    client.delete(place)
    client.delete(place)
    whole = [(line["what"], line["outcome"], line.get("study")) for line in lines()]
    assert whole == [
        ("POST /dicom-web/studies/<study>", 200, STUDY),
        *(("POST /dicom-web/studies", 200, digest(study)) for study in ("2.25.6", "2.25.7")),
        ("POST /dicom-web/studies", 409, None),
        ("GET /dicom-web/studies/<study>/series/<series>/metadata", 200, STUDY),
        ("GET /dicom-web/studies", 200, None),
        ("DELETE /dicom-web/studies/<study>", 204, STUDY),
        ("DELETE /dicom-web/studies/<study>", 404, STUDY),
    ]
    assert "2.25.7" not in json.dumps(lines())


def test_preambles_that_are_not_blank_are_counted_and_not_kept(client, lines):
    """They may be programs. What is sent to a prediction isn't kept as files at all."""
    programs = [b"\x7fELF" + file[4:] for file in instances(voxels())]
    blank = instances(voxels(), "2.25.6", "2.25.6.1")
    client.post("/v1/predictions", data=zipped(programs), content_type="application/zip")
    client.post("/dicom-web/studies", data=body([*programs[:3], *blank]), content_type=RELATED)
    client.post("/v1/predictions", data=study_zip(1), content_type="application/zip")
    requests = [line for line in lines() if line["what"] != "prediction"]
    assert [(line["what"], line["outcome"], line.get("preambles")) for line in requests] == [
        ("POST /v1/predictions", 201, len(programs)),
        ("POST /dicom-web/studies", 200, None),
        ("POST /dicom-web/studies", 200, 3),
        ("POST /v1/predictions", 201, None),
    ]
    assert b"ELF" not in client.get("/dicom-web/studies/2.25.7").data


def test_what_reads_no_patient_data_is_not_written(client, lines):
    for path in ("/v1/models", "/healthz", "/readyz", "/openapi.json", "/docs", "/nowhere", "/v1/nowhere"):
        client.get(path)
    client.options("/v1/predictions")
    assert lines() == []


def test_text_of_a_client_is_not_written(client, lines):
    client.get("/v1/predictions/Quibble")
    client.delete("/v1/predictions/Quibble?name=Quibble")
    client.get("/dicom-web/studies/Quibble/metadata", headers={"User-Agent": "Quibble", "X-Forwarded-For": "Quibble"})
    client.get("/dicom-web/studies/1.2.3'Quibble")
    client.post("/v1/predictions?bundle=Quibble", data=b"Quibble", content_type="Quibble/Quibble")
    client.open("/v1/predictions", method="QUIBBLE")
    assert len(lines()) == 5  # the last one has no route
    assert "uibble" not in json.dumps(lines()).lower()


def test_who_was_refused_is_written_but_not_without_end(make_app, lines, tmp_path):
    key = create(open_database("", tmp_path / "var"), "viewer", ["read"], None)
    client = make_app(trusted_proxies=(ip_network("127.0.0.1"),), user_header="X-Remote-User").test_client()
    client.post("/v1/predictions", headers={"X-API-Key": key})
    client.delete("/dicom-web/studies/2.25.1", headers={"X-Remote-User": "mori"})
    for _ in range(3 * WRONG_KEYS.amount):
        client.get("/v1/predictions", headers={"X-API-Key": "a guess", "X-Forwarded-For": "192.0.2.7"})
        client.open("/v1/models", method="QUIBBLE", headers={"X-Forwarded-For": "192.0.2.8"})
    denied, user, *refused = lines()
    assert denied == {"what": "POST /v1/predictions", "outcome": 403, "key": "viewer", "address": "127.0.0.1"}
    assert (user["outcome"], user["user"], user["study"]) == (403, "mori", digest("2.25.1"))
    for address, what in (("192.0.2.7", "GET /v1/predictions"), ("192.0.2.8", "(method) (no route)")):
        line = {"what": what, "outcome": 401, "address": address}
        assert [found for found in refused if found["address"] == address] == [line] * WRONG_KEYS.amount


def test_a_trail_that_cannot_be_written_stops_nothing(client, tmp_path, caplog):
    audit = tmp_path / "var" / "audit"
    assert client.get("/v1/predictions").status_code == 200
    for path in audit.iterdir():
        path.unlink()
    audit.rmdir()
    audit.write_text("a file where the folder should be")
    assert client.get("/v1/predictions").status_code == 200
    assert "a line of the audit couldn't be written" in caplog.text
