"""The document against the service that it describes: routes, answers, errors, examples."""

import json
import re
from typing import Any

import pytest
from flask import request
from flask.testing import FlaskClient
from jsonschema import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import examples
from app.api import openapi
from app.dicomweb.media_types import DICOM_JSON, DICOM_XML, JSON, MULTIPART, OCTETS, XML
from app.http.keys import PROTECTED
from app.jobs.answer import NOTICE
from tests.app.announced import check, operations
from tests.app.conftest import settled
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels, zipped

pytestmark = pytest.mark.slow

POST = {"method": "POST", "path": "/v1/predictions", "content_type": "application/zip"}
# Another processor rounds otherwise; a changed answer differs by more.
TOLERANCE = 1e-3
ID = re.compile(r"\b[0-9a-f]{32}\b")
# What no two runs share.
OF_THE_RUN = {"created", "timing_ms"}


@pytest.fixture(scope="module")
def document(answered) -> dict:
    return answered[0].get("/openapi.json").json


@pytest.fixture
def ask(document):
    """Asks a client, and holds its answer against the document."""
    by_id = operations(document)

    def asked(client: FlaskClient, method: str, path: str, **rest):
        with client:
            response = client.open(path, method=method, **rest)
            operation = by_id[f"{method.lower()}_{request.endpoint.replace('.', '_')}"]
        related = response.mimetype == MULTIPART
        media_type = response.content_type.partition("; boundary")[0] if related else response.mimetype
        if response.status_code != 204:
            check(document, operation, response.status_code, media_type, response.get_json(silent=True))
        return response

    return asked


def test_the_document_is_openapi_31(document):
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    assert NOTICE in document["info"]["description"]


def test_document_and_routes_are_the_same(answered, document):
    rules = answered[0].application.url_map.iter_rules()
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in rules
        if not rule.endpoint.startswith(("viewer.", "login.", "ohif."))  # pages for people
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert served == {operation["at"] for operation in operations(document).values()}


def test_every_parameter_and_every_key_is_described(document):
    for operation in operations(document).values():
        _, path = operation["at"]
        assert [name["name"] for name in operation["parameters"] if name["in"] == "path"] == re.findall(
            r"{(\w+)}", path
        )
        assert all(parameter["description"] for parameter in operation["parameters"]), path
        locked = [status in operation["responses"] for status in ("401", "403", "429")]
        assert locked == [path.startswith(PROTECTED)] * 3, path
        # The database may be gone.
        assert "503" in operation["responses"] or not path.startswith(PROTECTED), path
        assert ("security" in operation) == path.startswith(PROTECTED)
    post = document["paths"]["/v1/predictions"]["post"]
    assert {(parameter["in"], parameter["name"]) for parameter in post["parameters"]} == {
        ("query", "bundle"),
        ("query", "laterality"),
        ("query", "series_uid"),
        ("header", "Prefer"),
    }
    assert set(post["requestBody"]["content"]) == {
        "application/zip",
        "multipart/form-data",
        "application/dicom",
        "application/octet-stream",
        "application/json",
    }


def test_every_operation_says_which_scope_it_needs(document):
    """As roles of a security requirement (OpenAPI 3.1, 4.8.30)."""
    for operation in operations(document).values():
        method, path = operation["at"]
        if path.startswith(PROTECTED):
            posts = dict.fromkeys(("/v1/predictions", "/v1/worklist/synthetic"), "predict")
            posts |= dict.fromkeys(("/dicom-web/studies", "/dicom-web/studies/{study}"), "store")
            posts["/v1/predictions/{id}/reviews"] = "review"
            scope = {"GET": "read", "POST": posts.get(path, "admin"), "DELETE": "admin"}[method]
            needed = [] if path.startswith("/v1/models") else [scope]
            # Here nobody is asked for a key, which is the empty requirement.
            assert operation["security"] == [{}, {"bearer": needed}, {"key": needed}], path


def test_a_key_is_required_by_the_document_as_soon_as_it_is_by_the_service(make_app):
    closed = make_app(api_keys=("a-key-of-this-test-alone",)).test_client().get("/openapi.json").json
    secured = [operation["security"] for operation in operations(closed).values() if "security" in operation]
    assert len(secured) > 20
    assert all({} not in security for security in secured)


def test_what_a_value_must_look_like_is_said(document):
    """Otherwise clients, and what makes requests from the document, send what is then refused."""
    by_id = operations(document)
    for name in ("get_predictions_find", "get_deliveries_search"):
        patterned = {one["name"] for one in by_id[name]["parameters"] if "pattern" in one["schema"]}
        assert patterned == ({"since"} if "predictions" in name else {"after"})


@pytest.mark.parametrize("bundle", ["tiny", "four"])
def test_an_answer_is_as_announced(answered, ask, bundle):
    client, _ = answered
    answer = ask(client, **POST, data=study_zip(), query_string={"bundle": bundle}).json
    place = f"/v1/predictions/{answer['id']}"
    assert ask(client, "GET", place).json == answer
    for picture in ("image", "heatmap", "overlay"):
        ask(client, "GET", answer["explanation"]["slices"][0][picture])
    ask(client, "GET", f"{place}/map.npz")
    assert ask(client, "POST", "/v1/deliveries/retry?state=waiting").json == {"retried": 0}
    for path in (
        "/v1/deliveries",
        "/v1/models",
        "/v1/models/four/model-card.md",
        "/healthz",
        "/readyz",
        "/docs",
        "/openapi.json",
    ):
        ask(client, "GET", path)


def test_what_each_dicomweb_route_gives_is_as_announced(client, ask):
    study, series, instance = "studies/2.25.7", "series/2.25.8", "instances/2.25.8.1"
    sent = {"data": body(instances(voxels())[:2]), "content_type": RELATED}
    for accept in (DICOM_JSON, JSON, DICOM_XML, XML, f'{MULTIPART}; type="{DICOM_XML}"'):
        for path in ("studies", study):
            stored = ask(client, "POST", f"/dicom-web/{path}", **sent, headers={"Accept": accept})
            assert (stored.status_code, stored.mimetype) == (200, accept.partition(";")[0])
    for path in (study, f"{study}/{series}", f"{study}/{series}/{instance}"):
        assert ask(client, "GET", f"/dicom-web/{path}").mimetype == MULTIPART
        assert len(ask(client, "GET", f"/dicom-web/{path}/metadata").json) == (1 if path.endswith(instance) else 2)
        in_parts = {"Accept": f'{MULTIPART}; type="{DICOM_XML}"'}
        assert ask(client, "GET", f"/dicom-web/{path}/metadata", headers=in_parts).mimetype == MULTIPART
        assert ask(client, "GET", f"/dicom-web/{path}/rendered", headers={"Accept": MULTIPART}).mimetype == MULTIPART
        assert ask(client, "GET", f"/dicom-web/{path}/rendered?quality=0").status_code == 400
        assert ask(client, "GET", f"/dicom-web/{path}/thumbnail?viewport=9,9").mimetype == "image/jpeg"
        assert ask(client, "GET", f"/dicom-web/{path}/thumbnail", headers={"Accept": "text/html"}).status_code == 406
    for path in (
        "studies",
        "series",
        f"{study}/series",
        "instances",
        f"{study}/instances",
        f"{study}/{series}/instances",
    ):
        assert ask(client, "GET", f"/dicom-web/{path}?00080020=&limit=1&includefield=all").json
        assert ask(client, "GET", f"/dicom-web/{path}?PatientID=nobody").status_code == 204
        assert ask(client, "GET", f"/dicom-web/{path}?PatientShoeSize=44").headers["Warning"]
        assert ask(client, "GET", f"/dicom-web/{path}?limit=-1").status_code == 400
    for path in ("rendered", "frames/1/rendered"):
        for accept in ("image/png", "image/jpeg"):
            place = f"/dicom-web/{study}/{series}/{instance}/{path}"
            assert ask(client, "GET", place, headers={"Accept": accept}).mimetype == accept
            assert ask(client, "GET", place, headers={"Accept": "text/html"}).status_code == 406
    frame = f"/dicom-web/{study}/{series}/{instance}/frames/1"
    assert OCTETS in ask(client, "GET", frame).content_type
    for kind in (OCTETS, "image/jls", "image/jp2"):
        assert ask(client, "GET", frame, headers={"Accept": kind}).mimetype == kind
    alone = ask(client, "GET", f"/dicom-web/{study}/{series}/{instance}", headers={"Accept": "application/dicom"})
    assert alone.mimetype == "application/dicom"
    assert ask(client, "DELETE", f"/dicom-web/{study}").status_code == 204
    assert ask(client, "DELETE", f"/dicom-web/{study}").status_code == 404


def test_queued_and_failed_are_as_announced(client, ask):
    queued = ask(client, **POST, data=zipped(instances(0 * voxels())), headers={"Prefer": "respond-async"})
    place = queued.headers["Location"]
    assert queued.status_code == 202
    assert settled(client, place)["status"] == "failed"
    assert ask(client, "GET", place).json["problem"]["status"] == 422
    assert ask(client, "GET", f"{place}/map.npz").status_code == 409


def test_a_problem_is_as_announced(answered, ask):
    client, answer = answered
    damaged = zipped([file[:-1000] for file in instances(voxels())])
    assert ask(client, **POST, data=damaged).json["errors"]
    assert ask(client, **POST | {"content_type": "text/plain"}, data=b"").status_code == 415
    for path in (f"/v1/predictions/{answer['id']}/slices/99/image.png", "/v1/predictions/none", "/docs/passwd"):
        assert ask(client, "GET", path).status_code == 404


@pytest.mark.parametrize("field", ["bundle", "surplus"])
def test_another_answer_is_noticed(answered, document, field):
    wrong = answered[1] | {"surplus": 1}
    del wrong["bundle" if field == "bundle" else "surplus"]
    if field == "surplus":
        wrong["study"] = wrong["study"] | {"PatientName": "Quibble^Zebedee"}
    with pytest.raises(ValidationError):
        check(document, operations(document)["get_predictions_read"], 200, "application/json", wrong)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/predictions", 405),
        ("POST", "/openapi.json", 405),
        ("GET", "/v1/predictions/0/slices/-1/image.png", 404),
        ("GET", "/v1/predictions/0/slices/0/overlay.png?opacity=half", 400),
        ("GET", "/docs/", 404),
    ],
)
def test_no_error_has_a_form_of_its_own(answered, document, method, path, status):
    response = answered[0].open(path, method=method)
    assert response.status_code == status
    anything = operations(document)["get_about_healthz"] | {"at": (method, path)}
    check(document, anything, "default", response.mimetype, response.json)


def test_examples_are_answers_of_this_service(document):
    """`python -m app.examples` makes them anew where an answer has changed for a reason."""
    kept = openapi.examples()
    same(under_the_ids_of(kept, examples.make()), kept)
    by_id = operations(document)
    for name, statuses in kept.items():
        for status, bodies in statuses.items():
            (mimetype, content) = next(iter(by_id[name]["responses"][status]["content"].items()))
            assert {key: example["value"] for key, example in content["examples"].items()} == bodies
            for kept_body in bodies.values():
                check(document, by_id[name], status, mimetype, kept_body)


def under_the_ids_of(kept: dict, made: dict) -> dict:
    """What was made, under the ids that were kept: those of predictions follow from pixels, which other CPUs round
    otherwise, and those of reviews from chance."""
    here, there = (list(dict.fromkeys(ID.findall(json.dumps(each)))) for each in (made, kept))
    places = dict(zip(here, there, strict=True))
    return json.loads(ID.sub(lambda found: places[found[0]], json.dumps(made)))


def same(made: Any, kept: Any, at: str = "") -> None:
    """Equal but for rounding and what belongs to one run."""
    if isinstance(kept, dict):
        assert set(made) == set(kept), at
        for key in kept.keys() - OF_THE_RUN:
            same(made[key], kept[key], f"{at}/{key}")
    elif isinstance(kept, list):
        assert len(made) == len(kept), at
        for index, pair in enumerate(zip(made, kept, strict=True)):
            same(*pair, f"{at}/{index}")
    else:
        assert made == (pytest.approx(kept, abs=TOLERANCE) if isinstance(kept, float) else kept), at
