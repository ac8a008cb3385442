"""The worklist: what is in it, how it is searched, and who may see a patient's name."""

import time
from functools import partial
from urllib.parse import quote

import pytest
from sqlalchemy import delete, select, update

from app.service.parts import EXTENSION
from app.store.database import Delivery, Prediction
from app.store.index.summaries import SUMMARY
from tests.app.conftest import SOON_S, settled
from tests.app.postgres import another, postgresql
from tests.app.studies import PATIENT, instances, study_zip, voxels, zipped

pytestmark = pytest.mark.slow

SEARCH = "/v1/worklist"


def posted(client, study: str, seed: int = 0, **headers) -> dict:
    body = zipped(instances(voxels(seed), study, f"{study}.1", **headers))
    response = client.post("/v1/predictions", data=body, content_type="application/zip")
    assert response.status_code == 201, response.text
    return response.json


def listed(client, text: str = "", **query) -> list[str]:
    page = client.get(SEARCH, query_string=query, headers={"Search": quote(text)})
    assert page.status_code == 200, page.text
    return [entry["id"] for entry in page.json["entries"]]


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def make_app(request, make_app):
    """Starts services on a database of each kind."""
    if request.param == "sqlite":
        return make_app
    return partial(make_app, database=another(request.getfixturevalue("server")))


@pytest.fixture
def three(make_app):
    """A service with three answers, the latest last, of which the second has the highest probability."""
    client = make_app().test_client()
    done = [posted(client, f"2.25.{number}", number, StudyDate=f"2026010{number}") for number in (1, 2, 3)]
    database = client.application.extensions[EXTENSION].database
    with database.write() as session:
        for number, one in enumerate(done):
            created = f"2026-11-2{number}T10:00:00Z"
            session.execute(update(Prediction).where(Prediction.id == one["id"]).values(created=created))
            unhealthy = (0.2, 0.9, 0.5)[number]
            summary = update(SUMMARY).where(SUMMARY.c.prediction == one["id"])
            session.execute(summary.values(created=created, unhealthy=unhealthy))
    return client, [one["id"] for one in done]


def test_an_entry_says_what_the_answer_says(answered):
    client, answer = answered
    (entry,) = client.get(SEARCH).json["entries"]
    assert entry["id"] == answer["id"]
    assert entry["state"] == "done"
    assert entry["predicted"] == answer["result"]["predicted"]
    assert entry["unhealthy"] == pytest.approx(1 - answer["result"]["probabilities"]["healthy"])
    assert entry["warnings"] == answer["warnings"]
    assert (entry["laterality"], entry["bundle"]) == (answer["study"]["laterality"], answer["bundle"]["name"])
    assert entry["patient"] is None
    assert not any(name in client.get(SEARCH).text for name in PATIENT.values())


def test_orders_and_pages(three):
    client, ids = three
    first, second, third = ids
    assert listed(client) == [third, second, first]
    assert listed(client, sort="oldest") == ids
    assert listed(client, sort="probability") == [second, third, first]
    for sort in ("newest", "oldest", "probability"):
        pages, following = [], f"{SEARCH}?limit=1&sort={sort}"
        while following:
            page = client.get(following).json
            assert page["total"] == 3
            pages += [entry["id"] for entry in page["entries"]]
            following = page["next"]
        assert pages == listed(client, sort=sort)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("25.2", [1]),
        ("2026-01-03", [2]),
        ("2026-11-20", [0]),
        ("2026-11", [2, 1, 0]),
        ("%", []),
        ("25.2 2026-01-03", []),
    ],
)
def test_words_that_are_searched_for(three, text, found):
    client, ids = three
    assert listed(client, text) == [ids[index] for index in found]


def test_filters(three):
    client, ids = three
    predicted = client.get(SEARCH).json["entries"][0]["predicted"]
    assert set(listed(client, predicted=predicted)) | set(listed(client, state="failed")) <= set(ids)
    assert listed(client, predicted="no class of this name") == listed(client, state="waiting") == []
    assert len(listed(client, state="done")) == 3


def test_a_patient_is_found_and_shown_only_where_the_operator_allows_it(make_app):
    for allowed in (False, True):
        client = make_app(show_patients=allowed).test_client()
        name = f"Müller{allowed}^Ä"
        done = posted(
            client, f"2.25.8{allowed:d}", PatientName=name, PatientID="N 1", SpecificCharacterSet="ISO_IR 192"
        )
        shown = next(entry for entry in client.get(SEARCH).json["entries"] if entry["id"] == done["id"])
        assert shown["patient"] == ({"name": name, "id": "N 1"} if allowed else None)
        assert listed(client, f"müller{allowed}") == ([done["id"]] if allowed else [])
        client.application.extensions[EXTENSION].stop()


def test_a_refused_study_says_why_and_a_deleted_one_is_gone(make_app):
    client = make_app(quiet_s=0).test_client()
    files = instances(voxels()[:2], "2.25.9", "2.25.91")
    for file in files:
        assert client.post("/dicom-web/studies", data=file, content_type="application/dicom").status_code == 200
    deadline = time.monotonic() + SOON_S
    while not (entries := client.get(SEARCH).json["entries"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(entry["state"], entry["study_uid"]) for entry in entries] == [("failed", "2.25.9")]
    assert entries[0]["problem"] == client.get(f"/v1/predictions/{entries[0]['id']}").json["problem"]["detail"]
    assert listed(client, state="failed") == [entries[0]["id"]]
    assert client.delete(f"/v1/predictions/{entries[0]['id']}").status_code == 204
    assert listed(client) == []


def test_a_study_that_is_still_received_is_named(make_app):
    client = make_app(quiet_s=600).test_client()
    for file in instances(voxels()[:3], "2.25.9", "2.25.91"):
        client.post("/dicom-web/studies", data=file, content_type="application/dicom")
    (one,) = client.get(SEARCH).json["receiving"]
    assert (one["study_uid"], one["instances"]) == ("2.25.9", 3)
    assert client.get(SEARCH, query_string={"state": "done"}).json["receiving"] == []


def test_a_superseded_answer_is_shown_on_request(make_app):
    client = make_app().test_client()
    pixels = voxels()
    ids = []
    for count in (10, 14):
        body = zipped(instances(pixels[:count], "2.25.5", "2.25.51"))
        ids.append(client.post("/v1/predictions", data=body, content_type="application/zip").json["id"])
    assert listed(client) == [ids[1]]
    assert set(listed(client, superseded=True)) == set(ids)


def test_a_page_that_is_known_is_not_sent_again_and_not_audited(make_app, tmp_path):
    client = make_app(api_keys=("k",)).test_client()
    key = {"X-API-Key": "k"}
    page = client.get(SEARCH, headers=key)
    lines = [path.read_text() for path in (tmp_path / "var" / "audit").glob("*.jsonl")]
    again = client.get(SEARCH, headers=key | {"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert [path.read_text() for path in (tmp_path / "var" / "audit").glob("*.jsonl")] == lines
    client.post("/v1/predictions", data=study_zip(), content_type="application/zip", headers=key)
    assert client.get(SEARCH, headers=key | {"If-None-Match": page.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize(
    "query", [{"sort": "age"}, {"after": "x"}, {"limit": 0}, {"after": f"2026-11_{32 * 'a'}", "sort": "probability"}]
)
def test_a_wrong_query_is_a_problem(answered, query):
    response = answered[0].get(SEARCH, query_string=query)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")


def reviewed(client, id_: str) -> None:
    assert client.post(f"/v1/predictions/{id_}/reviews", json={"verdict": "agree"}).status_code == 201


def test_it_counts_readers_and_finds_what_nobody_has_reviewed(three):
    client, (first, second, third) = three
    for _ in range(2):
        reviewed(client, second)
    assert [entry["readers"] for entry in client.get(SEARCH).json["entries"]] == [0, 1, 0]
    assert listed(client, reviewed="true") == [second]
    assert listed(client, reviewed="false") == [third, first]


def test_the_opinion_is_withheld_until_the_caller_has_read(make_app):
    client = make_app(hide_opinion="until-read").test_client()
    done = [posted(client, f"2.25.{number}", number) for number in (1, 2)]
    predicted = done[0]["result"]["predicted"]
    for entry in client.get(SEARCH).json["entries"]:
        assert entry["withheld"]
        assert {entry[name] for name in ("predicted", "unhealthy", "operating_point")} == {None}
    for query in ({"predicted": predicted}, {"sort": "probability"}):
        assert client.get(SEARCH, query_string=query).status_code == 400
    assert listed(client, predicted) == []
    reviewed(client, done[0]["id"])
    shown = {entry["id"]: entry["predicted"] for entry in client.get(SEARCH).json["entries"]}
    assert shown == {done[0]["id"]: predicted, done[1]["id"]: None}
    html = client.get("/").text
    assert 'name="predicted"' not in html
    assert "probability first" not in html


def test_a_synthetic_study_is_named_so(make_app):
    client = make_app().test_client()
    accepted = client.post(f"{SEARCH}/synthetic")
    assert accepted.status_code == 202
    assert settled(client, accepted.headers["Location"])["status"] == "done"
    (entry,) = client.get(SEARCH).json["entries"]
    assert (entry["synthetic"], entry["state"]) == (True, "done")
    posted(client, "2.25.1")
    assert {entry["synthetic"] for entry in client.get(SEARCH).json["entries"]} == {True, False}


def test_deliveries_that_were_given_up_are_counted(three):
    client, (first, second, third) = three
    with client.application.extensions[EXTENSION].database.write() as session:
        session.execute(delete(Delivery))
        for prediction, target, state in (
            (first, "a", "dead"),
            (first, "b", "dead"),
            (second, "a", "dead"),
            (second, "b", "waiting"),
            (third, "a", "delivered"),
        ):
            session.add(Delivery(prediction=prediction, target=target, state=state))
    shown = {entry["id"]: entry["given_up"] for entry in client.get(SEARCH).json["entries"]}
    assert shown == {first: 2, second: 1, third: 0}


def test_every_prediction_has_its_summary(three):
    client, ids = three
    database = client.application.extensions[EXTENSION].database
    with database.read() as session:
        assert set(session.scalars(select(SUMMARY.c.prediction))) == set(ids)
