"""Searches of three studies with two series: who is found, how many, page by page."""

import pytest

from tests.app.studies import SLICES, instances, voxels

KNEE = {"StudyDescription": "MR of the Knee"}
STUDY, SERIES, SOP = "0020000D", "0020000E", "00080018"


@pytest.fixture(scope="module")
def client(holding):
    small = voxels()[:2]
    files = [
        *instances(voxels(), "2.25.71", "2.25.710", StudyDate="20260101", AccessionNumber="A1"),
        *instances(small, "2.25.71", "2.25.711", StudyDate="20260101", AccessionNumber="A1", Modality="SR", **KNEE),
        *instances(small, "2.25.72", "2.25.720", StudyDate="20260201", PatientName="Grundy^Solomon", **KNEE),
        *instances(
            small,
            "2.25.73",
            "2.25.730",
            StudyDate="20260301",
            PatientName="Müller^Ünal",
            SpecificCharacterSet="ISO_IR 192",
        ),
    ]
    return holding(files)


def found(client, path: str, key: str) -> list[str]:
    response = client.get(f"/dicom-web/{path}")
    assert response.status_code in (200, 204)
    return [item[key]["Value"][0] for item in response.json] if response.data else []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["2.25.73", "2.25.72", "2.25.71"]),
        ("?StudyInstanceUID=2.25.72", ["2.25.72"]),
        ("?StudyInstanceUID=2.25.72,2.25.73", ["2.25.73", "2.25.72"]),
        ("?StudyInstanceUID=2.25.72&StudyInstanceUID=2.25.73", ["2.25.73", "2.25.72"]),
        ("?StudyInstanceUID=1.2.3", []),
        ("?PatientName=grundy*", ["2.25.72"]),
        ("?PatientName=M%C3%BCller*", ["2.25.73"]),
        ("?PatientName=M%C3%9CLLER^*NAL", ["2.25.73"]),
        ("?PatientName=*", ["2.25.73", "2.25.72", "2.25.71"]),
        ("?PatientID=MRN-55512&StudyDate=20260115-", ["2.25.73", "2.25.72"]),
        ("?AccessionNumber=A1", ["2.25.71"]),
        ("?ModalitiesInStudy=SR", ["2.25.71"]),
        ("?ModalitiesInStudy=CT,SR", ["2.25.71"]),
        ("?ModalitiesInStudy=CT%5CMR", ["2.25.73", "2.25.72", "2.25.71"]),
        ("?ModalitiesInStudy=CT,PT", []),
        ("?StudyDescription=*KNEE*", ["2.25.72", "2.25.71"]),
        ("?PatientID=mrn-55512", []),
        ("?StudyDate=-20260115", ["2.25.71"]),
        ("?StudyDate=20260115-20260215", ["2.25.72"]),
        ("?limit=1", ["2.25.73"]),
        ("?limit=2&offset=1", ["2.25.72", "2.25.71"]),
        ("?offset=3", []),
        ("?00080020=20260201", ["2.25.72"]),
        ("?limit=0", []),
    ],
)
def test_studies(client, query, expected):
    assert found(client, f"studies{query}", STUDY) == expected


def test_a_study_says_what_it_holds(client):
    (study,) = client.get("/dicom-web/studies?StudyInstanceUID=2.25.71").json
    assert study["00080061"]["Value"] == ["MR", "SR"]
    assert study["00201206"] == {"vr": "IS", "Value": [2]}
    assert study["00201208"] == {"vr": "IS", "Value": [SLICES + 2]}
    assert study["00081190"]["Value"] == ["http://localhost/dicom-web/studies/2.25.71"]
    assert SERIES not in study
    # Only one of its series has a description.
    assert study["00081030"]["Value"] == [KNEE["StudyDescription"]]
    assert study["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}


WRONG = ["abc", "2026-01-31", "20260101-20260131-", "-", "\u0661" * 8, "20260131,20260201"]


@pytest.mark.parametrize(
    ("key", "sent"),
    [*((key, sent) for key in ("StudyDate", "00080020", "StudyTime") for sent in WRONG), ("StudyDate", "2026")],
)
def test_a_moment_that_is_none_is_a_problem_with_an_example(client, key, sent):
    response = client.get("/dicom-web/studies", query_string={key: sent})
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert response.json["detail"].startswith("Study")
    assert "or a range" in response.json["detail"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("series", ["2.25.730", "2.25.720", "2.25.710", "2.25.711"]),
        ("studies/2.25.71/series", ["2.25.710", "2.25.711"]),
        ("studies/2.25.71/series?Modality=SR", ["2.25.711"]),
        ("series?PatientName=Grundy^Solomon", ["2.25.720"]),
        ("series?SeriesInstanceUID=2.25.730", ["2.25.730"]),
        ("series?StudyDescription=*of the knee", ["2.25.720", "2.25.710", "2.25.711"]),
        ("studies/1.2.3/series", []),
    ],
)
def test_series(client, path, expected):
    assert found(client, path, SERIES) == expected


def test_a_series_says_how_many_instances_it_has(client):
    counts = {item[SERIES]["Value"][0]: item["00201209"]["Value"] for item in client.get("/dicom-web/series").json}
    assert counts == {"2.25.710": [SLICES], "2.25.711": [2], "2.25.720": [2], "2.25.730": [2]}


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("instances", SLICES + 6),
        ("studies/2.25.71/instances", SLICES + 2),
        ("studies/2.25.71/series/2.25.711/instances", 2),
        ("studies/2.25.71/series/2.25.720/instances", 0),
        ("studies/2.25.71/instances?SOPInstanceUID=2.25.710.3", 1),
        ("studies/2.25.71/instances?InstanceNumber=2", 2),
        ("instances?limit=5&offset=2", 5),
    ],
)
def test_instances(client, path, count):
    assert len(set(found(client, path, SOP))) == count


def test_an_instance_says_what_it_is_and_where(client):
    (instance,) = client.get("/dicom-web/instances?SOPInstanceUID=2.25.720.2").json
    assert (instance["00280010"]["Value"], instance["00200013"]["Value"]) == ([96], [2])
    place = "http://localhost/dicom-web/studies/2.25.72/series/2.25.720/instances/2.25.720.2"
    assert instance["00081190"]["Value"] == [place]


def test_whoever_gets_a_page_hears_that_there_is_more(client):
    assert client.get("/dicom-web/studies?limit=1").headers["Warning"].startswith("299 ")
    assert "Warning" not in client.get("/dicom-web/studies?limit=3").headers


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("studies?limit=-1", "*/*", 400),
        ("series?offset=one", "*/*", 400),
        ("studies/no-uid/series", "*/*", 400),
        (f"studies/{'1' * 65}/instances", "*/*", 400),
        ("studies/2.25.72/series/no-uid/instances", "*/*", 400),
        ("studies", "text/html", 406),
        ("studies", 'multipart/related; type="application/dicom+xml"', 406),
    ],
)
def test_what_cannot_be_answered_is_a_problem(client, path, accept, status):
    response = client.get(f"/dicom-web/{path}", headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert "44" not in response.text


def test_attributes_that_are_asked_for_come_from_an_instance(client):
    """`includefield`: by keyword or tag, private ones too; the level's own ones come anyway."""
    (study,) = client.get(
        "/dicom-web/studies?StudyInstanceUID=2.25.72&includefield=ScanningSequence,00200052,Rows"
    ).json
    assert (study["00180020"]["Value"], study["00200052"]["Value"]) == (["SE"], ["2.25.9"])
    assert "00280010" not in study  # of an instance, not of the study
    plain = client.get("/dicom-web/studies?StudyInstanceUID=2.25.72").json
    assert plain == [{key: value for key, value in study.items() if key not in ("00180020", "00200052")}]
    assert client.get("/dicom-web/studies?StudyInstanceUID=2.25.72&includefield=all,InstitutionName").json == plain


def test_all_attributes_of_an_instance_are_its_metadata(client):
    path = "studies/2.25.72/series/2.25.720/instances"
    (found, _) = client.get(f"/dicom-web/{path}?includefield=all").json
    (metadata,) = client.get(f"/dicom-web/{path}/2.25.720.1/metadata").json
    assert {key: found[key] for key in metadata} == metadata
    assert found.keys() - metadata.keys() == {"00080056", "00081190"}


def test_a_page_with_attributes_that_are_read_from_instances_is_smaller(client, monkeypatch):
    monkeypatch.setattr("app.dicomweb.qido.MOST_WITH_FURTHER", 2)
    assert len(client.get("/dicom-web/studies").json) == 3
    page = client.get("/dicom-web/studies?includefield=ScanningSequence")
    assert (len(page.json), "request the next ones" in page.headers["Warning"]) == (2, True)


@pytest.mark.parametrize(
    "query",
    [
        "limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060",
        "includefield=00081030&includefield=all",
        "includefield=00080061,00201206,00201208,00081190,00080056",
        "StudyDate=20260201&includefield=StudyDescription,00080060",
    ],
)
@pytest.mark.parametrize("level", ["studies", "series", "instances", "studies/2.25.72/series"])
def test_what_viewers_send_with_every_search_is_no_mistake(client, level, query):
    response = client.get(f"/dicom-web/{level}?{query}")
    assert response.status_code == 200
    assert "Warning" not in response.headers


@pytest.mark.parametrize("level", ["studies", "series", "instances", "studies/2.25.72/instances"])
def test_what_is_not_supported_changes_nothing_and_is_told(client, level):
    plain = client.get(f"/dicom-web/{level}")
    asked = client.get(f"/dicom-web/{level}?orderby=-StudyDate&PatientWeight=80&_=17&accept=x&fuzzymatching=true")
    assert (asked.status_code, asked.json) == (200, plain.json)
    fuzzy, ignored = asked.headers.getlist("Warning")
    assert fuzzy.startswith('299 cruciate "The fuzzymatching parameter')
    assert ignored == '299 cruciate "Ignored, because they are not supported here: PatientWeight, 3 others."'
    nothing = client.get(f"/dicom-web/{level}?StudyDate=19000101&PatientWeight=80")
    assert (nothing.status_code, "PatientWeight" in nothing.headers["Warning"]) == (204, True)


def test_other_routes_ignore_what_they_do_not_know(client):
    (series,) = client.get("/dicom-web/studies/2.25.72/series").json
    for path in ("metadata", f"series/{series[SERIES]['Value'][0]}/metadata"):
        assert client.get(f"/dicom-web/studies/2.25.72/{path}?_=1&disableWADOCache=true").status_code == 200
