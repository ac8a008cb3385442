"""QIDO-RS and metadata by the standard: the table of requests, and what answers must have."""

import gzip

import pytest

from tests.app.dicomweb.standard_qido import ROWS, UID, Row, studies


@pytest.fixture(scope="module")
def client(holding):
    return holding(studies())


@pytest.mark.parametrize("row", ROWS, ids=[row.request for row in ROWS])
def test_a_search_finds_what_the_paragraph_says(client, row: Row):
    response = client.get(f"/dicom-web/{row.request}")
    level = row.request.partition("?")[0].rpartition("/")[2]
    found = [one[UID[level]]["Value"][0] for one in response.json] if response.status_code == 200 else []
    assert (response.status_code, found) == (row.status, row.found), row.says
    if row.status != 400:
        assert ("Warning" in response.headers) is row.warned
        assert all(text.startswith("299 ") for text in response.headers.getlist("Warning"))


# PS3.18 tables 10.6.3-3 to 10.6.3-5: attributes that answers have; those that the files lack aren't there.
STUDY = ("00080020", "00080030", "00080050", "00080056", "00080061", "00081190", "00100010", "00100020", "0020000D")
COUNTS = ("00201206", "00201208")
SERIES = ("00080060", "0020000E", "00200011", "00201209", "00081190")
INSTANCE = ("00080016", "00080018", "00080056", "00200013", "00280010", "00280011", "00280100", "00081190")


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        ("studies?StudyInstanceUID=2.25.1", (*STUDY, *COUNTS)),
        ("series?SeriesInstanceUID=2.25.11", (*STUDY[:3], *STUDY[5:], *SERIES)),
        ("instances?SOPInstanceUID=2.25.11.1", (*STUDY[:3], *STUDY[5:], *SERIES[:3], *INSTANCE)),
    ],
)
def test_a_result_has_the_attributes_of_its_level(client, path, attributes):
    (found,) = client.get(f"/dicom-web/{path}").json
    lacking = [key for key in attributes if key != "00080061" or path.startswith("studies")]
    assert [key for key in lacking if not found.get(key, {}).get("Value")] == []
    assert all(set(element) <= {"vr", "Value"} for element in found.values())


def test_request_attributes_are_returned(client):
    (found,) = client.get("/dicom-web/series?SeriesInstanceUID=2.25.21").json
    items = found["00400275"]["Value"]
    assert [item["00401001"]["Value"] for item in items] == [["RP1"], ["RP2"]]


METADATA = "/dicom-web/studies/2.25.1/metadata"


@pytest.mark.parametrize(
    ("headers", "paragraph", "status", "media_type", "encoding"),
    [
        ({}, "PS3.18 10.4.4: DICOM JSON by default", 200, "application/dicom+json", None),
        ({"Accept": "application/dicom+json"}, "PS3.18 10.4.4", 200, "application/dicom+json", None),
        ({"Accept": "application/json"}, "PS3.18 8.7.4", 200, "application/dicom+json", None),
        ({"Accept": "image/gif"}, "PS3.18 8.7.5: not acceptable", 406, "application/problem+json", None),
        ({"Accept-Encoding": "gzip"}, "PS3.18 8.4.1.2, RFC 9110 12.5.3", 200, "application/dicom+json", "gzip"),
        ({"Accept-Encoding": "br;q=1, gzip;q=0.5"}, "RFC 9110 12.5.3", 200, "application/dicom+json", "gzip"),
        ({"Accept-Encoding": "gzip;q=0"}, "RFC 9110 12.5.3: refused", 200, "application/dicom+json", None),
        ({"Accept-Encoding": "identity"}, "RFC 9110 12.5.3", 200, "application/dicom+json", None),
    ],
)
def test_metadata_come_as_the_client_accepts_them(client, headers, paragraph, status, media_type, encoding):
    answer = client.get(METADATA, headers=headers)
    assert (answer.status_code, answer.mimetype) == (status, media_type), paragraph
    assert answer.headers.get("Content-Encoding") == encoding, paragraph
    if status == 200:
        content = gzip.decompress(answer.data) if encoding else answer.data
        assert content == client.get(METADATA).data
        assert answer.content_length == len(answer.data)
        assert {"Accept", "Accept-Encoding"} <= set(answer.vary.as_set(preserve_casing=True))


def test_metadata_are_sent_once_to_a_client_that_keeps_them(client):
    """RFC 9110 13.1.2, PS3.18 8.4: ETag and If-None-Match."""
    first = client.get(METADATA)
    etag = first.headers["ETag"]
    for named in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(METADATA, headers={"If-None-Match": named})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    assert client.get(METADATA, headers={"If-None-Match": '"other"'}).status_code == 200
    packed = client.get(METADATA, headers={"If-None-Match": etag, "Accept-Encoding": "gzip"})
    assert packed.status_code == 200
    assert packed.headers["ETag"] != etag
