"""Reviews over HTTP: kept as they were given, by each reader, with what a reader may see."""

import json
import zlib

import pytest
from sqlalchemy import select

from app.audit.verify import verify
from app.contract import masks
from app.store.database import Review
from tests.app.reviews.clinic import AGREES, TORN, Clinic
from tests.app.studies import COLUMNS, ROWS, SLICES

pytestmark = pytest.mark.slow


@pytest.fixture
def clinic(make_app) -> Clinic:
    return Clinic(make_app)


def test_a_review_is_kept_as_it_was_given(clinic):
    given = clinic.give("ann", TORN)
    assert given.status_code == 201, given.text
    assert given.json.items() >= TORN.items()
    assert given.json["reader"] == "key ann"
    assert given.json["classes"] == ["complete rupture"]
    assert clinic.client.get(given.headers["Location"], headers=clinic.of("ann")).json == given.json
    (listed,) = clinic.seen("ann")["reviews"]
    assert listed == {name: value for name, value in given.json.items() if name != "mask"}


def test_nothing_is_replaced_and_the_latest_counts(clinic):
    first = clinic.give("ann", TORN).json
    second = clinic.give("ann", AGREES | {"base": first["id"]}).json
    assert "unseen" not in second
    listed = clinic.seen("ann")["reviews"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert [one["current"] for one in listed] == [False, True]
    assert clinic.seen("ann", f"/{first['id']}")["mask"] == TORN["mask"]


def test_two_tabs_lose_nothing(clinic):
    base = clinic.give("ann", AGREES).json["id"]
    one = clinic.give("ann", TORN | {"base": base}).json
    other = clinic.give("ann", AGREES | {"base": base, "comment": "from the other tab"}).json
    assert other["unseen"] == [one["id"]]
    assert clinic.seen("ann", f"/{one['id']}")["mask"] == TORN["mask"]
    assert [review["id"] for review in clinic.seen("ann")["reviews"]] == [base, one["id"], other["id"]]


def test_a_reader_sees_others_only_after_reading(clinic):
    anns = clinic.give("ann", TORN).json
    before = clinic.seen("ben")
    assert (before["reviews"], before["withheld"], before["opinion"]) == ([], 1, "shown")
    assert clinic.client.get(f"{clinic.place}/{anns['id']}", headers=clinic.of("ben")).status_code == 404
    clinic.give("ben", AGREES)
    after = clinic.seen("ben")
    assert [review["reader"] for review in after["reviews"]] == ["key ann", "key ben"]
    assert after["withheld"] == 0
    assert clinic.seen("ben", f"/{anns['id']}")["mask"] == TORN["mask"]


def test_the_opinion_is_hidden_until_read(make_app):
    clinic = Clinic(make_app, hide_opinion="until-read", hide_reviews="no")
    clinic.give("ann", TORN)
    assert [clinic.seen(name)["opinion"] for name in ("ann", "ben")] == ["shown", "hidden"]
    assert len(clinic.seen("ben")["reviews"]) == 1
    listed = {name: clinic.client.get("/v1/worklist", headers=clinic.of(name)).json for name in ("ann", "ben")}
    assert {name: page["entries"][0]["withheld"] for name, page in listed.items()} == {"ann": False, "ben": True}


@pytest.mark.parametrize(
    ("bundle", "review", "injuries"),
    [
        ("four", {"verdict": "cannot-judge", "reason": "motion"}, 0),
        ("four", {"verdict": "grade", "grade": "minor strain"}, 1),
        ("four", {"verdict": "agree"}, 1),
        ("tiny", {"verdict": "agree"}, None),
    ],
)
def test_a_verdict_allows_classes(make_app, bundle, review, injuries):
    clinic = Clinic(make_app, bundle)
    if injuries is None:
        injuries = 1 if clinic.answer["result"]["predicted"] == "healthy" else 3
    given = clinic.give("ann", review)
    assert given.status_code == 201, given.text
    assert len(given.json["classes"]) == injuries
    if review["verdict"] == "agree" and bundle == "four":
        assert given.json["classes"] == [clinic.answer["result"]["predicted"]]


def test_the_same_request_is_stored_once(clinic):
    again = {"Idempotency-Key": "of-this-review"}
    first, second = clinic.give("ann", TORN, **again), clinic.give("ann", TORN, **again)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    other = clinic.give("ann", AGREES, **again)
    assert (other.status_code, other.mimetype) == (422, "application/problem+json")
    assert clinic.give("ben", AGREES, **again).status_code == 201  # a reader's keys are the reader's own
    assert clinic.give("ann", TORN).status_code == 201  # without a key, it is another review
    assert len(clinic.seen("ann")["reviews"]) == 3
    assert clinic.give("ann", TORN, **{"Idempotency-Key": "x" * 65}).status_code == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "maybe"}, "verdict"),
        ({"verdict": "agree"}, "grade"),
        ({"grade": None}, "grade"),
        ({"grade": "torn"}, "grade"),
        ({"reason": "motion"}, "cannot-judge"),
        ({"PatientName": "Quibble"}, "A field"),
        ({"seconds": -1}, "seconds"),
        ({"comment": "x" * 4001}, "comment"),
        ({"box": [[4, 4], [0, 1], [0, 1]]}, "box"),
        ({"box": [[0, SLICES + 1], [0, 1], [0, 1]]}, "box"),
        ({"mask": [{"slice": SLICES, "runs": [0, 1]}]}, "no slice"),
        ({"mask": [{"slice": 1, "runs": [0, 1]}] * 2}, "twice"),
        ({"mask": [{"slice": 1, "runs": [0, 1, 5]}]}, "pairs"),
        ({"mask": [{"slice": 1, "runs": [5, 1, 0, 1]}]}, "order"),
        ({"mask": [{"slice": 1, "runs": [0, 2, 2, 2]}]}, "order"),
        ({"mask": [{"slice": 1, "runs": [0, 0]}]}, "empty"),
        ({"mask": [{"slice": 1, "runs": [ROWS * COLUMNS - 1, 2]}]}, "beyond"),
        ({"mask": [{"slice": 1, "runs": [0, 2**31 - 1]}]}, "beyond"),
        ({"mask": [{"slice": 1, "runs": []}]}, "mask"),
        ({"mask": [{"slice": 10**30, "runs": [0, 1]}]}, "mask"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(answered, change, said):
    client, answer = answered
    response = client.post(f"/v1/predictions/{answer['id']}/reviews", json=TORN | change)
    assert (response.status_code, response.mimetype) == (422, "application/problem+json"), response.text
    assert said in response.json["detail"]
    assert "Quibble" not in response.text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b'{"verdict": "agr', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"verdict": "agree", "seconds": NaN}', "application/json", 422),
        (b'{"verdict": "agree"}', "text/plain", 415),
        (b" " * (masks.MOST_BYTES + 1), "application/json", 413),
    ],
)
def test_a_bad_body_is_a_problem(answered, body, content_type, status):
    client, answer = answered
    response = client.post(f"/v1/predictions/{answer['id']}/reviews", data=body, content_type=content_type)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text


def test_only_what_is_answered_can_be_reviewed(clinic):
    elsewhere = "/v1/predictions/none/reviews"
    assert clinic.client.post(elsewhere, json=AGREES, headers=clinic.of("ann")).status_code == 404
    assert clinic.client.get(elsewhere, headers=clinic.of("ann")).status_code == 404


def test_scope_and_trail(clinic):
    assert clinic.give("viewer", AGREES).status_code == 403
    assert clinic.give("admin", AGREES).status_code == 403
    clinic.give("ann", TORN)
    lines = [
        json.loads(line)
        for file in sorted((clinic.service.settings.data / "audit").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    acts = [line for line in lines if line["what"] == "POST /v1/predictions/<id>/reviews"]
    assert [(line["outcome"], line["key"]) for line in acts] == [(403, "viewer"), (403, "admin"), (201, "ann")]
    assert acts[-1]["prediction"] == clinic.answer["id"]
    assert "Ärzte" not in json.dumps(lines, ensure_ascii=False)
    assert verify(clinic.service.settings.data).faults == ()


def test_reviews_go_with_their_prediction(clinic):
    clinic.give("ann", TORN)
    assert clinic.client.delete(clinic.place.removesuffix("/reviews"), headers=clinic.of("admin")).status_code == 204
    with clinic.service.database.read() as session:
        assert session.scalars(select(Review)).all() == []


def test_a_packed_mask_takes_little_room_to_read():
    """What a database could hold instead of a mask isn't unpacked without a limit."""
    bomb = zlib.compress(b'"' + bytes(100 * masks.MOST_BYTES) + b'"')
    with pytest.raises(ValueError, match=r"Invalid control character|Unterminated string"):
        masks.unpacked(bomb)
