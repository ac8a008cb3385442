"""Earlier studies of the same patient: which are offered, in what order, and to whom."""

import pytest
from sqlalchemy import update

from app.service.parts import EXTENSION
from app.store.index.summaries import SUMMARY
from app.store.keys import create
from tests.app.api.test_worklist import posted
from tests.app.postgres import postgresql
from tests.app.studies import PATIENT, voxels, zipped
from tests.app.studies import instances as files

pytestmark = pytest.mark.slow

A, B = "A 1", "B 2"


def priors(client, answer: dict, **headers) -> list[str]:
    """UIDs of the studies that are offered."""
    response = client.get(f"/v1/predictions/{answer['id']}/priors", headers=headers)
    assert response.status_code == 200, response.text
    return [one["study_uid"] for one in response.json["priors"]]


def study(client, number: int, **headers) -> dict:
    return posted(client, f"2.25.{number}", number, **headers)


def received(client, answer: dict, day: str) -> dict:
    """Let a study have come on another day."""
    with client.application.extensions[EXTENSION].database.write() as session:
        its = SUMMARY.c.prediction == answer["id"]
        session.execute(update(SUMMARY).where(its).values(created=f"{day}T10:00:00Z"))
    return answer


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def client(request, make_app):
    if request.param == "sqlite":
        yield make_app().test_client()
    else:
        with postgresql() as url:
            app = make_app(database=url)
            yield app.test_client()
            app.extensions[EXTENSION].stop()


def test_earlier_studies_of_the_patient_come_newest_first(client):
    """However late they were received."""
    current = study(client, 1, PatientID=A, StudyDate="20260301")
    study(client, 2, PatientID=A, StudyDate="20250101")
    newest = study(client, 3, PatientID=A, StudyDate="20260228", Laterality="L")
    study(client, 4, PatientID=A, StudyDate="20260302")
    study(client, 5, PatientID=B, StudyDate="20240101")
    assert priors(client, current) == ["2.25.3", "2.25.2"]
    assert priors(client, newest) == ["2.25.2"]
    shown = client.get(f"/v1/predictions/{current['id']}/priors").json
    assert (shown["prediction"], shown["study_date"]) == (current["id"], "20260301")
    assert shown["priors"][0] == {
        "id": newest["id"],
        "study_uid": "2.25.3",
        "study_date": "20260228",
        "created": newest["created"],
        "laterality": "L",
        "bundle": newest["bundle"]["name"],
    }


@pytest.mark.parametrize(
    ("own", "other", "offered"),
    [
        ({"PatientID": ""}, {"PatientID": ""}, False),
        ({"PatientID": "a"}, {"PatientID": "A"}, False),
        ({"PatientID": "1"}, {"PatientID": "11"}, False),
        ({"IssuerOfPatientID": "H1"}, {"IssuerOfPatientID": "H2"}, False),
        ({"IssuerOfPatientID": "H1"}, {"IssuerOfPatientID": "H1"}, True),
        ({"IssuerOfPatientID": "H1"}, {}, True),
        ({"PatientBirthDate": "19600101"}, {"PatientBirthDate": "19600102"}, False),
        ({"PatientBirthDate": ""}, {"PatientBirthDate": "19600102"}, True),
        ({"PatientSex": "F"}, {"PatientSex": "M"}, False),
        ({"PatientName": "Before^A"}, {"PatientName": "Married^A"}, True),
    ],
)
def test_only_studies_that_can_be_of_one_patient(make_app, own, other, offered):
    client = make_app().test_client()
    study(client, 1, StudyDate="20250101", **{"PatientID": A} | other)
    current = study(client, 2, StudyDate="20260101", **{"PatientID": A} | own)
    assert priors(client, current) == ["2.25.1"] * offered


def test_studies_without_dates_count_from_when_they_came(client):
    first = received(client, study(client, 1, PatientID=A, StudyDate=""), "2026-11-01")
    second = received(client, study(client, 2, PatientID=A, StudyDate=""), "2026-11-03")
    study(client, 3, PatientID=A, StudyDate="20261102")
    study(client, 4, PatientID=A, StudyDate="19990101")
    assert priors(client, second) == ["2.25.3", "2.25.1", "2.25.4"]
    assert priors(client, first) == ["2.25.4"]
    assert client.get(f"/v1/predictions/{first['id']}/priors").json["study_date"] is None


def test_each_bundle_that_has_predicted_is_offered_and_no_superseded_result(make_app):
    client = make_app().test_client()
    pixels = voxels()
    for count in (10, 14):
        body = zipped(files(pixels[:count], "2.25.5", "2.25.51", StudyDate="20250101"))
        client.post("/v1/predictions?bundle=tiny", data=body, content_type="application/zip")
    client.post("/v1/predictions?bundle=four", data=body, content_type="application/zip")
    current = study(client, 6, StudyDate="20260101")
    shown = client.get(f"/v1/predictions/{current['id']}/priors").json["priors"]
    assert sorted(one["bundle"] for one in shown) == ["four", "tiny"]


def test_pseudonyms_of_a_patient_are_the_same(make_app):
    client = make_app(deidentify="basic", deidentify_key="a key of our own that is long enough").test_client()
    first = received(client, study(client, 1, PatientID=A, StudyDate="20250101"), "2026-11-01")
    received(client, study(client, 3, PatientID=B, StudyDate="20250101"), "2026-11-01")
    second = received(client, study(client, 2, PatientID=A, StudyDate="20260101"), "2026-11-02")
    assert priors(client, second) == [first["study"]["study_uid"]]
    shown = client.get(f"/v1/predictions/{second['id']}/priors").json
    assert [shown["study_date"], shown["priors"][0]["study_date"]] == [None, None]  # moved, each by other days


def test_a_synthetic_knee_has_no_patient(make_app):
    client = make_app().test_client()
    for number in (1, 2):
        done = study(
            client,
            number,
            PatientID=A,
            StudyDate=f"202{number}0101",
            PatientIdentityRemoved="YES",
            DeidentificationMethod="Synthetic knee",
        )
    assert priors(client, done) == []


@pytest.mark.parametrize("shown", [False, True])
def test_the_patient_is_never_named(make_app, shown):
    client = make_app(show_patients=shown).test_client()
    study(client, 1, StudyDate="20250101")
    current = study(client, 2, StudyDate="20260101")
    assert priors(client, current) == ["2.25.1"]
    text = client.get(f"/v1/predictions/{current['id']}/priors").text
    assert not any(value in text for value in PATIENT.values())


def test_a_key_is_asked_for_and_unknown_predictions_are_told(make_app):
    client = make_app(api_keys=("the-operator-chose-this",)).test_client()
    sender = create(client.application.extensions[EXTENSION].database, "sender", ["predict"], None)
    place = f"/v1/predictions/{'0' * 32}/priors"
    assert client.get(place).status_code == 401
    assert client.get(place, headers={"X-API-Key": sender}).status_code == 403
    unknown = client.get(place, headers={"X-API-Key": "the-operator-chose-this"})
    assert (unknown.status_code, unknown.mimetype) == (404, "application/problem+json")
