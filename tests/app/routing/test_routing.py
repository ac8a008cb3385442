"""Rules for studies that arrive by DICOMweb and DIMSE alike, in a whole service."""

import time

import pytest

from app import factory
from app.delivery.deliveries import HERE
from app.routing.rules import Rule, Rules
from app.service.parts import EXTENSION
from app.store.database import Study
from tests.app.studies import instances, study_zip, voxels
from tests.app.trail_lines import digest, trail_lines

pytestmark = pytest.mark.slow

SOON_S = 60
# Nobody listens there, which changes nothing about what is to be sent.
TARGETS = ("http://127.0.0.1:9/one", "http://127.0.0.1:9/two")
BODY = 'multipart/related; type="application/dicom"; boundary=x'
KEY = "a key of this test alone"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(factory, "EVERY_S", 0.02)


def files(study: str, **headers: str) -> list[bytes]:
    return instances(voxels(), study=study, series=f"{study}.1", **headers)


def wait_until(true) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state(ours, study: str) -> str | None:
    with ours.database.read() as session:
        row = session.get(Study, study)
        return row and row.state


def predicted(ours, study: str) -> list[str]:
    """The bundles that have predicted on a study."""
    return [answer["bundle"]["name"] for answer in ours.store.answers(10, study_uid=study)]


def test_who_sent_a_study_and_what_it_is_of_decide_what_happens(make_app):
    target, other = TARGETS
    rules = Rules(
        rule=(
            Rule(name="four", caller=("MR1",), bundle="four", targets=(target,)),
            Rule(name="tiny", station=("ROOM 2",), targets=()),
            Rule(name="hips", body_part=("HIP",), ignore=True),
        )
    )
    app = make_app(quiet_s=0.1, rules=rules, targets=(target, other))
    ours = app.extensions[EXTENSION]
    for study, caller, headers in (
        ("2.25.1", "MR1", {}),
        ("2.25.2", "MR2", {"StationName": "Room 2"}),
        ("2.25.3", "MR2", {"BodyPartExamined": "HIP"}),
        ("2.25.4", None, {}),
    ):
        ours.instances.receive([("", file) for file in files(study, **headers)], caller=caller)
    wait_until(lambda: [state(ours, f"2.25.{number}") for number in (1, 2, 3, 4)].count("receiving") == 0)
    wait_until(lambda: ours.store.answers(10, status="queued") == [])
    assert [predicted(ours, f"2.25.{number}") for number in (1, 2, 3, 4)] == [["four"], ["tiny"], [], ["tiny"]]
    assert state(ours, "2.25.3") == "ignored"
    assert len(list(ours.instances.files("2.25.3"))) == len(voxels())  # ignored studies are kept
    ignored = {"what": "study", "outcome": "ignored", "study": digest("2.25.3"), "subject": "hips"}
    assert trail_lines(ours.settings.data).count(ignored) == 1
    wait_until(lambda: len(ours.deliveries.find(20)) == 2 + 1 + 3)
    study_of = {answer["id"]: answer["study"]["study_uid"] for answer in ours.store.answers(10)}
    found = {(study_of[row.prediction], row.target) for row in ours.deliveries.find(20)}
    assert found == {
        *(("2.25.1", one) for one in (HERE, target)),
        ("2.25.2", HERE),
        *(("2.25.4", one) for one in (HERE, target, other)),
    }


def test_an_ignored_study_is_predicted_on_when_somebody_asks(make_app):
    rules = Rules(rule=(Rule(name="none", ignore=True),))
    app = make_app(quiet_s=0.1, rules=rules)
    ours, client = app.extensions[EXTENSION], app.test_client()
    ours.instances.receive([("", file) for file in files("2.25.1")])
    wait_until(lambda: state(ours, "2.25.1") == "ignored")
    assert client.post("/v1/predictions", json={"study_uid": "2.25.1"}).status_code == 201
    assert predicted(ours, "2.25.1") == ["tiny"]


def test_a_key_is_a_caller_and_a_bundle_that_is_named_counts_more(make_app):
    rules = Rules(rule=(Rule(name="keys", caller=("environment *",), bundle="four"),))
    app = make_app(quiet_s=3600, rules=rules, api_keys=(KEY,))
    ours, client = app.extensions[EXTENSION], app.test_client()
    parts = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files("2.25.1"))
    key = {"X-API-Key": KEY}
    assert client.post("/dicom-web/studies", data=parts + b"--x--", headers=key, content_type=BODY).status_code == 200
    with ours.database.read() as session:
        (name,) = session.get(Study, "2.25.1").callers
    assert name == "environment 1"
    for query, bundle in (("", "four"), ("?bundle=tiny", "tiny")):
        answer = client.post(f"/v1/predictions{query}", json={"study_uid": "2.25.1"}, headers=key)
        assert answer.json["bundle"]["name"] == bundle


def test_a_study_in_a_request_has_nothing_to_match_but_a_rule_for_all(make_app):
    rules = Rules(rule=(Rule(name="MR1", caller=("MR1",)), Rule(name="all", bundle="four", targets=())))
    app = make_app(rules=rules, targets=TARGETS)
    ours = app.extensions[EXTENSION]
    answer = app.test_client().post("/v1/predictions", data=study_zip(), content_type="application/zip")
    assert answer.json["bundle"]["name"] == "tiny"  # it was sent for the default bundle
    wait_until(lambda: ours.deliveries.find(10) != [])
    assert {row.target for row in ours.deliveries.find(10)} == {HERE}
