"""Instances by STOW-RS: told one by one what became of them, in JSON or XML; nothing quoted, nothing half stored."""

import gzip
import io
import json
import zlib
from xml.etree import ElementTree

import pytest
from sqlalchemy import select

from app.dicomweb import multipart
from app.dicomweb.media_types import MediaType
from app.http.uploads import MAX_PARTS
from app.service.parts import EXTENSION
from app.store.database import Study
from tests.app.attacks import ICON, ITEM, deflated, nested, sequence, with_elements
from tests.app.bad_bodies import directory
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import PATIENT, SLICES, instances, voxels

pytestmark = pytest.mark.slow

STUDY, SERIES = "2.25.7", "2.25.8"
# Keys of DICOM JSON.
URL, REFERENCED, FAILED, OTHERS, REASON, UID = "00081190", "00081199", "00081198", "0008119A", "00081197", "00081155"
FILES = instances(voxels())


def store(client, files, study: str = "", **headers):
    path = f"/dicom-web/studies/{study}".rstrip("/")
    return client.post(path, data=body(files), headers={"Content-Type": RELATED, **headers})


def test_a_study_is_stored_and_waits_for_analysis(client):
    response = store(client, FILES)
    assert (response.status_code, response.content_type) == (200, "application/dicom+json")
    assert "Warning" not in response.headers
    assert response.json[URL]["Value"] == [f"http://localhost/dicom-web/studies/{STUDY}"]
    stored = response.json[REFERENCED]["Value"]
    assert [item[UID]["Value"] for item in stored] == [[f"{SERIES}.{number + 1}"] for number in range(SLICES)]
    place = f"http://localhost/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1"
    assert stored[0][URL] == {"vr": "UR", "Value": [place]}
    assert FAILED not in response.json
    database = client.application.extensions[EXTENSION].instances._database
    with database.read() as session:
        assert session.scalars(select(Study.state)).all() == ["receiving"]


def test_some_are_stored_and_the_others_told_why(client):
    stranger = instances(voxels(), study="2.25.70", series="2.25.71")[0]
    duplicate = instances(voxels(1))[0]
    response = store(client, [FILES[0], stranger, duplicate, b"no DICOM"], STUDY)
    assert response.status_code == 202
    assert len(response.json[REFERENCED]["Value"]) == 1
    failed = {item[UID]["Value"][0]: item[REASON]["Value"][0] for item in response.json[FAILED]["Value"]}
    assert failed == {"2.25.71.1": 43265, f"{SERIES}.1": 45070}
    assert response.json[OTHERS]["Value"] == [{REASON: {"vr": "US", "Value": [0xC000]}}]
    assert response.headers["Warning"].startswith('299 cruciate "1 of 4 not stored: It belongs to another study')
    assert not any(value in response.text + str(response.headers) for value in PATIENT.values())


def test_headers_that_cost_much_are_refused_one_by_one_and_within_a_request(client):
    """Deep ones alone; those with many elements together, by what was sent."""
    deep = with_elements(FILES[0], nested(ICON, 3000), 0x0009)
    response = store(client, [deep, FILES[1]])
    assert response.status_code == 202
    assert response.json[OTHERS]["Value"] == [{REASON: {"vr": "US", "Value": [0xC000]}}]
    costly = deflated(sequence(ICON, 200_000 * ITEM))
    response = store(client, [costly] * 3)
    assert response.status_code == 409
    assert "2 of 3 not stored: The headers have more data elements" in response.headers["Warning"]


def test_none_is_stored(client):
    response = store(client, FILES[:2], "2.25.70")
    assert response.status_code == 409
    assert [item[REASON]["Value"] for item in response.json[FAILED]["Value"]] == [[43265]] * 2
    assert client.get("/dicom-web/studies").status_code == 204


def test_the_answer_as_xml(client):
    response = store(client, [FILES[0], b"no DICOM"], Accept="application/dicom+xml")
    assert (response.status_code, response.content_type) == (202, "application/dicom+xml")
    root = ElementTree.fromstring(response.data)
    assert root.tag == "NativeDicomModel"
    path = "DicomAttribute[@tag='{}']/Item[@number='1']/DicomAttribute[@tag='{}']/Value[@number='1']"
    assert root.find(path.format(REFERENCED, UID)).text == f"{SERIES}.1"
    assert root.find(path.format(OTHERS, REASON)).text == str(0xC000)
    assert root.find(f"DicomAttribute[@tag='{URL}']").attrib == {"tag": URL, "vr": "UR", "keyword": "RetrieveURL"}


def test_the_answer_as_xml_in_a_part(client):
    response = store(client, FILES[:1], Accept='multipart/related; type="application/dicom+xml"')
    assert response.status_code == 200
    content_type = MediaType.parse(response.content_type)
    assert (content_type.name, content_type.parameters["type"]) == ("multipart/related", "application/dicom+xml")
    ((kind, part),) = multipart.parts(io.BytesIO(response.data), content_type.parameters["boundary"])
    with part:
        part.seek(0)
        assert (kind, ElementTree.fromstring(part.read()).tag) == ("application/dicom+xml", "NativeDicomModel")


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_body_is_stored(client, coding):
    headers = {"Content-Type": RELATED, "Content-Encoding": coding}
    response = client.post("/dicom-web/studies", data=gzip.compress(body(FILES)), headers=headers)
    assert len(response.json[REFERENCED]["Value"]) == SLICES
    alone = {"Content-Type": "application/dicom", "Content-Encoding": coding}
    assert client.post("/dicom-web/studies", data=gzip.compress(FILES[0]), headers=alone).status_code == 200
    sent = client.get(f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1?accept=application/dicom")
    assert sent.data == FILES[0]


@pytest.mark.parametrize(
    ("coding", "content", "status"),
    [
        ("br", body(FILES[:1]), 415),
        ("gzip, gzip", gzip.compress(gzip.compress(body(FILES[:1]))), 415),
        ("deflate", zlib.compress(body(FILES[:1])), 415),
        ("gzip", body(FILES[:1]), 400),
        ("gzip", gzip.compress(body(FILES[:1]))[:-20], 400),
        ("gzip", b"", 400),
    ],
    ids=["other", "twice", "deflate", "not packed", "cut short", "empty"],
)
def test_what_is_no_packed_body_is_a_problem_and_stores_nothing(client, coding, content, status):
    headers = {"Content-Type": RELATED, "Content-Encoding": coding}
    response = client.post("/dicom-web/studies", data=content, headers=headers)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert client.get("/dicom-web/studies").status_code == 204


@pytest.mark.parametrize("content_type", [RELATED, "application/dicom"])
def test_a_small_body_that_unpacks_to_much_is_refused_early(client, content_type):
    zeros = bytes(64 << 20)
    packed = gzip.compress(body([zeros]) if content_type == RELATED else FILES[0] + zeros)
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    response = client.post("/dicom-web/studies", data=packed, headers=headers)
    assert (response.status_code, response.json["detail"]) == (413, "The body unpacks to more than 200 times its size.")
    assert client.get("/dicom-web/studies").status_code == 204


def test_a_dicomdir_is_told_what_it_is(client):
    response = store(client, [FILES[0], directory()])
    assert response.status_code == 202
    assert response.json[OTHERS]["Value"] == [{REASON: {"vr": "US", "Value": [0x0122]}}]
    assert "1 of 2 not stored: It is a DICOMDIR" in response.headers["Warning"]


def test_what_has_no_content_has_no_type(client):
    store(client, FILES[:1])
    for response in (client.get("/dicom-web/studies?PatientID=nobody"), client.delete(f"/dicom-web/studies/{STUDY}")):
        assert (response.status_code, response.data, "Content-Type" in response.headers) == (204, b"", False)


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("multipart/form-data; boundary=xyz", body(FILES[:1]), 415),
        ('multipart/related; type="application/dicom+json"; boundary=xyz', body(FILES[:1]), 415),
        ("application/dicom", b"", 400),
        ("", body(FILES[:1]), 415),
        ('multipart/related; type="application/dicom+xml"; boundary=xyz', body(FILES[:1]), 415),
        (RELATED, body(FILES[:1], "application/dicom+json"), 415),
        ("multipart/related; type=application/dicom", body(FILES[:1]), 400),
        (RELATED, b"", 400),
        (RELATED, b"--xyz--", 400),
        (RELATED, body(FILES[:1])[:-20], 400),
        (RELATED, body(FILES[:1], "text/plain"), 415),
        (RELATED, body([b""] * (MAX_PARTS + 1)), 413),
    ],
)
def test_what_is_no_store_request_is_a_problem_and_stores_nothing(client, content_type, content, status):
    response = client.post("/dicom-web/studies", data=content, headers={"Content-Type": content_type})
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert client.get("/dicom-web/studies").status_code == 204


def test_unquoted_types_and_parts_without_one_are_taken(client):
    content = b"--xyz\r\n\r\n" + FILES[0] + b"\r\n--xyz--\r\n"
    headers = {"Content-Type": "multipart/related;type=application/dicom;boundary=xyz"}
    assert client.post("/dicom-web/studies", data=content, headers=headers).status_code == 200


def test_one_instance_needs_no_parts(client):
    headers = {"Content-Type": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}
    response = client.post(f"/dicom-web/studies/{STUDY}", data=FILES[0], headers=headers)
    assert response.status_code == 200
    assert [item[UID]["Value"] for item in response.json[REFERENCED]["Value"]] == [[f"{SERIES}.1"]]
    refused = client.post("/dicom-web/studies", data=b"no DICOM", headers=headers)
    assert (refused.status_code, refused.json[OTHERS]["Value"]) == (
        409,
        [{"00081197": {"vr": "US", "Value": [0xC000]}}],
    )


def test_other_errors_of_the_client(client, make_app):
    assert store(client, FILES[:1], "no-uid").status_code == 400
    assert store(client, FILES[:1], Accept="text/html").status_code == 406
    assert store(make_app(max_body_mb=1).test_client(), [bytes(2 << 20)]).status_code == 413


def test_a_key_is_asked_for(make_app):
    client = make_app(api_keys=("secret",)).test_client()
    assert store(client, FILES[:1]).status_code == client.get("/dicom-web/studies").status_code == 401
    assert store(client, FILES[:1], **{"X-API-Key": "secret"}).status_code == 200


def test_a_study_is_deleted(client):
    store(client, FILES)
    assert client.delete(f"/dicom-web/studies/{STUDY}").status_code == 204
    for path in (f"/dicom-web/studies/{STUDY}", f"/dicom-web/studies/{STUDY}/metadata"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/dicom-web/studies/{STUDY}").status_code == 404


def test_the_log_says_nothing_of_patients_or_studies(client, caplog):
    caplog.set_level("INFO")
    store(client, [*FILES[:2], b"no DICOM"], STUDY)
    client.get(f"/dicom-web/studies?PatientName={PATIENT['PatientName']}&PatientID={PATIENT['PatientID']}")
    assert "/dicom-web/studies/<study>" in caplog.text
    assert not any(secret in caplog.text for secret in (*PATIENT.values(), STUDY, SERIES))
    assert json.loads(caplog.records[-1].message)["route"] == "/dicom-web/studies"


@pytest.mark.parametrize("kind", ["application/octet-stream", "Application/DICOM; transfer-syntax=*", "*/*", ""])
def test_a_part_that_leaves_its_kind_open_is_looked_at(client, kind):
    for content_type in (RELATED, 'multipart/related; type="application/octet-stream"; boundary=xyz'):
        response = client.post("/dicom-web/studies", data=body(FILES[:1], kind), headers={"Content-Type": content_type})
        assert response.status_code == 200
    response = client.post("/dicom-web/studies", data=body([b"hello"], kind), headers={"Content-Type": RELATED})
    assert response.status_code == 409
