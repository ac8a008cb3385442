"""The contract, field by field, on a real answer of a real (tiny) bundle."""

import io
import json
import re
import threading
import time

import numpy as np
import pytest

from app.jobs.claims import LOOK_S
from app.service.parts import EXTENSION
from data_prep.selection.series import load_study
from models.bundle import load_bundle
from models.predictor import Predictor
from tests.app.conftest import settled
from tests.app.studies import COLUMNS, PATIENT, ROWS, SLICES, SPACING_MM, instances, study_zip, voxels, zipped
from tests.conftest import COMPLETENESS

pytestmark = pytest.mark.slow

POST = {"path": "/v1/predictions", "content_type": "application/zip"}
# What the contract promises where an explanation is exact.


@pytest.fixture
def networks_run(monkeypatch) -> list[str]:
    """Names of the bundles that were asked, in order: the real predictor, counted."""
    asked = []
    predict = Predictor.predict

    def counted(self, volume):
        asked.append(self.bundle.name)
        return predict(self, volume)

    monkeypatch.setattr(Predictor, "predict", counted)
    return asked


def test_the_answer_has_exactly_the_fields_of_the_contract(answered):
    _, answer = answered
    assert list(answer) == [
        "id",
        "status",
        "created",
        "notice",
        "bundle",
        "study",
        "result",
        "explanation",
        "warnings",
        "timing_ms",
    ]
    assert set(answer["bundle"]) == {"name", "sha256", "route", "trained_on", "trained_at", "research_use_only"}
    assert set(answer["study"]) == {"study_uid", "series_uid", "volume", "laterality", "passed_over"}
    assert set(answer["result"]) == {"scheme", "classes", "probabilities", "predicted", "logits"}
    assert set(answer["explanation"]) == {"method", "exact", "class", "bias", "scale", "slices"}
    assert set(answer["timing_ms"]) == {"decode", "preprocess", "network", "explain", "render", "total"}


def test_the_answer_describes_the_study_that_was_sent(answered):
    _, answer = answered
    assert re.fullmatch(r"[0-9a-f]{32}", answer["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["created"])
    assert answer["study"] == {
        "study_uid": "2.25.7",
        "series_uid": "2.25.8",
        "volume": {"slices": SLICES, "rows": ROWS, "columns": COLUMNS, "spacing_mm": list(SPACING_MM)},
        "laterality": "R",
        "passed_over": [],
    }
    assert [slice_["sop_uid"] for slice_ in answer["explanation"]["slices"]] == [
        f"2.25.8.{index + 1}" for index in range(SLICES)
    ]


def test_the_answer_is_what_the_bundle_says(answered, bundles):
    _, answer = answered
    bundle = load_bundle(bundles[0])
    prediction = Predictor(bundle).predict(load_study([("study.zip", io.BytesIO(study_zip()))]).volume)
    assert answer["bundle"]["sha256"] == bundle.sha256
    assert (answer["bundle"]["trained_on"], answer["bundle"]["trained_at"]) == ("synthetic", "2026-11-29")
    assert answer["bundle"]["research_use_only"] is True
    assert list(answer["result"]["probabilities"].values()) == pytest.approx(prediction.probabilities)
    assert list(answer["result"]["logits"].values()) == pytest.approx(prediction.logits)
    assert answer["result"]["predicted"] == ("healthy", "unhealthy")[prediction.probabilities.argmax()]
    assert "synthetic-training" in [warning["code"] for warning in answer["warnings"]]


@pytest.mark.parametrize("bundle", ["tiny", "four"])
def test_contributions_and_bias_are_the_logit(answered, bundle):
    client, _ = answered
    answer = client.post(**POST, data=study_zip(), query_string={"bundle": bundle}).json
    explanation = answer["explanation"]
    assert explanation["exact"] is True
    total = explanation["bias"] + sum(slice_["contribution"] for slice_ in explanation["slices"])
    assert total == pytest.approx(answer["result"]["logits"][explanation["class"]], rel=COMPLETENESS)


def test_the_explained_class_is_the_likeliest_injury(answered):
    """Also for a knee that's found healthy: a glow must never mean health."""
    client, _ = answered
    found = set()
    for seed in range(4):
        answer = client.post(**POST, data=study_zip(seed), query_string={"bundle": "four"}).json
        injuries = answer["result"]["probabilities"] | {"healthy": -1.0}
        assert answer["explanation"]["class"] == max(injuries, key=injuries.get)
        found.add(answer["explanation"]["class"])
    assert "healthy" not in found


def test_every_link_of_an_answer_leads_to_a_picture(answered):
    client, answer = answered
    slices = answer["explanation"]["slices"]
    assert [slice_["index"] for slice_ in slices] == list(range(SLICES))
    for slice_ in (slices[0], slices[-1]):
        for kind in ("image", "heatmap", "overlay"):
            assert client.get(slice_[kind]).mimetype == "image/png"


def test_no_header_of_the_patient_comes_out_or_stays(client, tmp_path, caplog):
    caplog.set_level("DEBUG")
    response = client.post(**POST, data=study_zip())
    kept = b"".join(path.read_bytes() for path in (tmp_path / "var" / "predictions").rglob("*") if path.is_file())
    assert len(kept) > SLICES * ROWS * COLUMNS * 4
    for value in PATIENT.values():
        assert value not in response.text
        assert value.encode() not in kept
        assert value not in caplog.text


def test_the_same_study_is_computed_once(client, networks_run):
    first = client.post(**POST, data=study_zip())
    packed_otherwise = zipped(instances(voxels())[::-1])
    second = client.post(**POST, data=packed_otherwise)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json == client.get(first.headers["Location"]).json
    assert networks_run == ["tiny"]


def test_another_bundle_or_another_pixel_is_another_prediction(client, networks_run):
    answers = [
        client.post(**POST, data=study_zip()),
        client.post(**POST, data=study_zip(), query_string={"bundle": "four"}),
        client.post(**POST, data=study_zip(seed=1)),
    ]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json["id"] for answer in answers}) == 3
    assert networks_run == ["tiny", "four", "tiny"]


def test_two_clients_with_one_study_share_one_computation(make_app, networks_run):
    app, statuses = make_app(), []

    def post():
        statuses.append(app.test_client().post(**POST, data=study_zip()).status_code)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 200, 201]
    assert networks_run == ["tiny"]


def test_multipart_and_zip_of_one_study_are_the_same(client):
    parts = [(io.BytesIO(file), f"IM{index}") for index, file in enumerate(instances(voxels()))]
    whole = client.post("/v1/predictions", data={"file": parts}, content_type="multipart/form-data")
    assert whole.status_code == 201, whole.text
    assert client.post(**POST, data=study_zip()).json["id"] == whole.json["id"]


def test_who_prefers_not_to_wait_gets_a_202_and_later_the_answer(make_app):
    client = make_app().test_client()
    response = client.post(**POST, data=study_zip(), headers={"Prefer": "handling=lenient, respond-async; x=1"})
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "respond-async"
    assert response.json == {"id": response.headers["Location"].rpartition("/")[2], "status": "queued"}
    assert settled(client, response.headers["Location"])["status"] == "done"


def test_a_deleted_study_is_gone_and_can_be_sent_again(client, tmp_path):
    place = client.post(**POST, data=study_zip()).headers["Location"]
    assert client.delete(place).status_code == 204
    assert list((tmp_path / "var" / "predictions").glob("[!.]*")) == []
    for response in (client.get(place), client.delete(place), client.get(f"{place}/map.npz")):
        assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert client.post(**POST, data=study_zip()).status_code == 201


@pytest.mark.parametrize("id_", ["0" * 32, "..", "%2e%2e%2fetc", "A" * 32, "0" * 31, "0" * 32 + "%0a"])
def test_unknown_ids_are_not_found(answered, id_):
    client, _ = answered
    for path in ("", "/map.npz", "/slices/0/image.png"):
        response = client.get(f"/v1/predictions/{id_}{path}")
        assert (response.status_code, response.mimetype) == (404, "application/problem+json")


def test_pixels_of_patients_are_not_cached(answered):
    client, answer = answered
    for path in (f"/v1/predictions/{answer['id']}", answer["explanation"]["slices"][0]["image"]):
        assert client.get(path).headers["Cache-Control"] == "no-store"


def test_json_numbers_are_finite(answered):
    _, answer = answered
    assert np.isfinite(list(answer["result"]["logits"].values())).all()


def both_knees(**headers) -> bytes:
    """The right knee's series, and another one that is the left knee's unless headers say otherwise."""
    other = {"series": "2.25.99", "Laterality": "LEFT"} | headers
    return zipped(instances(voxels()) + instances(voxels(1), **other))


def test_of_two_knees_the_one_that_is_asked_for(client):
    refused = client.post(data=both_knees(), **POST)
    assert refused.status_code == 422
    assert "two knees" in refused.json["detail"]
    assert "?laterality=L" in refused.json["detail"]
    answers = {side: client.post(data=both_knees(), query_string={"laterality": side}, **POST) for side in "LR"}
    studies = {side: answer.json["study"] for side, answer in answers.items()}
    assert {side: (study["laterality"], study["series_uid"]) for side, study in studies.items()} == {
        "L": ("L", "2.25.99"),
        "R": ("R", "2.25.8"),
    }
    assert studies["L"]["passed_over"] == [{"series_uid": "2.25.8", "reason": "it shows the right knee"}]
    assert answers["L"].json["id"] != answers["R"].json["id"]
    again = client.post(data=both_knees(), query_string={"laterality": "L"}, **POST)
    assert (again.status_code, again.json["id"]) == (200, answers["L"].json["id"])


def test_a_knee_that_isnt_there_is_refused(client):
    response = client.post(data=study_zip(), query_string={"laterality": "L"}, **POST)
    assert response.status_code == 422
    assert "left knee was asked for, but the study shows the right one" in response.json["detail"]


@pytest.mark.parametrize("side", ["left", "B", "l", "", "L,R"])
def test_a_side_that_is_none_is_a_problem(answered, side):
    client, _ = answered
    response = client.post(data=study_zip(), query_string={"laterality": side}, **POST)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert "laterality" in response.json["detail"]


def two_series(**headers) -> bytes:
    """The series that the service prefers, 2.25.8, a plainer one, and a coronal one."""
    lesser = instances(voxels(1), **{"series": "2.25.99", "ScanOptions": "", "SeriesDescription": "PD SAG"} | headers)
    coronal = instances(voxels(2), series="2.25.100", ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    return zipped(instances(voxels()) + lesser + coronal)


def test_another_series_is_predicted_on_if_asked(client):
    """It is another prediction, which says who has chosen, and replaces the service's own."""
    own = client.post(data=two_series(), **POST).json
    assert (own["study"]["series_uid"], "series_chosen_by" in own["study"]) == ("2.25.8", False)
    response = client.post(data=two_series(), query_string={"series_uid": "2.25.99"}, **POST)
    answer = response.json
    assert (response.status_code, answer["study"]["series_uid"]) == (201, "2.25.99")
    assert (answer["study"]["series_chosen_by"], answer["supersedes"]) == ("request", [own["id"]])
    reasons = {one["series_uid"]: one["reason"] for one in answer["study"]["passed_over"]}
    assert reasons == {"2.25.8": "another series was asked for", "2.25.100": "plane is coronal"}
    told = {one["code"]: one["message"] for one in answer["warnings"]}
    assert "would have taken series 2.25.8." in told["series-requested"]
    again = client.post(data=two_series(), query_string={"series_uid": "2.25.99"}, **POST)
    assert (again.status_code, again.json["id"]) == (200, answer["id"])
    expected = client.post(data=zipped(instances(voxels(1), series="2.25.99", ScanOptions="")), **POST).json
    assert answer["result"]["logits"] == expected["result"]["logits"]  # it has looked at this series' pixels


def test_the_services_own_series_is_another_prediction_if_asked(client):
    """It is pinned: without a warning, because nothing is otherwise."""
    own = client.post(data=two_series(), **POST).json
    asked = client.post(data=two_series(), query_string={"series_uid": "2.25.8"}, **POST).json
    assert asked["id"] != own["id"]
    assert asked["study"]["series_chosen_by"] == "request"
    assert "series-requested" not in {one["code"] for one in asked["warnings"]}
    assert asked["supersedes"] == [own["id"]]


def test_whoever_changes_their_mind_gets_a_valid_result_each_time(client):
    """A replaced result never becomes valid again; to ask for its series again makes another one."""
    sent = ["2.25.99", "2.25.8", "2.25.99", "2.25.99", "2.25.8"]
    answers = [client.post(data=two_series(), query_string={"series_uid": uid}, **POST) for uid in sent]
    assert [one.status_code for one in answers] == [201, 201, 201, 200, 201]
    assert [one.json["study"]["series_uid"] for one in answers] == sent
    assert len({one.json["id"] for one in answers}) == 4
    assert all("superseded_by" not in one.json for one in answers)
    page = client.get("/v1/predictions").json["predictions"]
    assert [one["id"] for one in page if "superseded_by" not in one] == [answers[-1].json["id"]]


def test_the_service_does_not_undo_a_choice(client):
    """Neither with the same study nor with more of it: the answer says which result counts."""
    asked = client.post(data=two_series(), query_string={"series_uid": "2.25.99"}, **POST).json
    later = client.post(data=two_series(AccessionNumber="7"), **POST)
    assert (later.status_code, later.json["study"]["series_uid"]) == (201, "2.25.8")
    assert later.json["superseded_by"] == asked["id"]
    assert "superseded_by" not in client.get(f"/v1/predictions/{asked['id']}").json


def test_a_choice_survives_a_restart(make_app, monkeypatch):
    """The job waits on the disk while the service stops; the next start answers it, as it was asked."""
    first = make_app()
    monkeypatch.setattr(first.extensions[EXTENSION].engine._claims, "next", lambda bundles: time.sleep(0.05))
    time.sleep(2 * LOOK_S)  # the engine may be looking for a job already
    query, hurried = {"series_uid": "2.25.99"}, {"Prefer": "respond-async"}
    queued = first.test_client().post(data=two_series(), query_string=query, headers=hurried, **POST)
    assert queued.status_code == 202
    assert first.extensions[EXTENSION].store.read(queued.json["id"]).status == "queued"
    first.extensions[EXTENSION].stop()
    monkeypatch.undo()
    client = make_app().test_client()
    answer = settled(client, queued.headers["Location"])
    assert (answer["status"], answer["study"]["series_uid"]) == ("done", "2.25.99")
    assert answer["study"]["series_chosen_by"] == "request"
    again = client.post(data=two_series(), query_string=query, **POST)
    assert (again.status_code, again.json["id"]) == (200, answer["id"])


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        ("2.25.100", "Series 2.25.100 was asked for, and can't be predicted on: plane is coronal."),
        ("2.25.7", "the study has no such series"),
    ],
)
def test_a_series_that_cant_be_predicted_on_is_refused_with_the_reason(client, series, reason):
    response = client.post(data=two_series(), query_string={"series_uid": series}, **POST)
    assert (response.status_code, response.mimetype) == (422, "application/problem+json")
    assert response.json["type"] == "urn:cruciate:problem:unsuitable-study"
    assert reason in response.json["detail"]


@pytest.mark.parametrize("series", ["", "2.25.8/..", "two", "1" * 65, "2.25.8,2.25.9"])
def test_a_series_that_is_no_uid_is_a_problem(answered, series):
    client, _ = answered
    response = client.post(data=study_zip(), query_string={"series_uid": series}, **POST)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert "series_uid" in response.json["detail"]


def test_a_series_of_a_de_identified_study_is_known_by_both_names(make_app):
    client = make_app(deidentify="basic", deidentify_key="k" * 32).test_client()
    asked = client.post(data=two_series(), query_string={"series_uid": "2.25.99"}, **POST)
    assert asked.status_code == 201, asked.text
    ours = asked.json["study"]["series_uid"]
    assert (ours != "2.25.99", asked.json["study"]["series_chosen_by"]) == (True, "request")
    again = client.post(data=two_series(), query_string={"series_uid": ours}, **POST)
    assert (again.status_code, again.json["id"]) == (200, asked.json["id"])


def test_what_headers_contradict_is_a_warning(client):
    body = zipped(instances(voxels(), SeriesDescription="SAG PD FS LT"))
    answer = client.post(data=body, **POST).json
    assert answer["study"]["laterality"] == "unknown"
    assert "laterality-contradicted" in {warning["code"] for warning in answer["warnings"]}


def test_a_study_that_the_service_holds_is_predicted_on_if_asked(make_app):
    app = make_app(quiet_s=3600)
    client = app.test_client()
    ours = app.extensions[EXTENSION].instances
    ours.receive([("part", content) for content in instances(voxels(), study="2.25.1")])
    response = client.post("/v1/predictions", json={"study_uid": "2.25.1"})
    assert (response.status_code, response.json["study"]["study_uid"]) == (201, "2.25.1")
    assert client.post("/v1/predictions", json={"study_uid": "2.25.1"}).json == response.json
    sent = client.post(**POST, data=zipped(instances(voxels(), study="2.25.1")))
    assert (sent.status_code, sent.json["id"]) == (200, response.json["id"])


LONG = json.dumps({"study_uid": "1" * 65})


@pytest.mark.parametrize("body", ["", "{}", "[", '{"study_uid": 3}', LONG, " " * 9999])
def test_a_body_that_names_no_study_is_malformed(answered, body):
    response = answered[0].post("/v1/predictions", data=body, content_type="application/json")
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")


def test_predictions_are_found_page_by_page(client):
    sent = {client.post(**POST, data=study_zip(seed, study=f"2.25.{seed}")).json["id"] for seed in range(1, 4)}
    found, place = [], "/v1/predictions?limit=2&status=done"
    while place:
        page = client.get(place).json
        found += [answer["id"] for answer in page["predictions"]]
        place = page["next"]
    assert len(found) == 3
    assert set(found) == sent
    (one,) = client.get("/v1/predictions?study_uid=2.25.2").json["predictions"]
    assert one["study"]["study_uid"] == "2.25.2"
    assert client.get("/v1/predictions?since=2999-01-01T00:00:00Z").json == {"predictions": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "status=gone", "since=2026", "limit=501"])
def test_a_search_that_makes_no_sense_is_a_problem(answered, query):
    response = answered[0].get(f"/v1/predictions?{query}")
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")


def test_a_page_after_what_is_gone_is_not_found(answered):
    assert answered[0].get(f"/v1/predictions?after={'0' * 32}").status_code == 404
