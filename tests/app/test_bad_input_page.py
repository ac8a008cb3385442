"""docs/bad-input.md says exactly what the service answers.

`python -m tests.app.test_bad_input_page` writes its tables again. Read every changed row before you commit it.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.client import serving
from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from tests.app.bad_bodies import BODIES
from tests.app.bad_page import put, table
from tests.app.bad_requests import NEGOTIATING, REQUESTS, Sender, asking, sender
from tests.app.bad_stores import STORES, STUDIES, STUDY
from tests.app.bad_stores import told as told_by_stow
from tests.app.bad_zips import ZIPS
from tests.app.server.raw import asked
from tests.app.server.test_refusals import CASES
from tests.models.conftest import write_tiny_bundle

pytestmark = pytest.mark.slow

ALL = ZIPS | BODIES
HEADS = {
    "studies": ("what is sent", "status", "sentence, or codes of warnings"),
    "stores": (
        "what is stored",
        "status",
        "FailureReason",
        "sentence in `Warning`",
        "the prediction on what is stored",
    ),
    "requests": ("what is sent", "status", "sentence"),
    "no-http": ("what is sent", "status", "sentence"),
}
# Warnings of every answer of this service's bundle.
USUAL = {"synthetic-training", "slices-outside-extent", "explanation-own-scale"}
# Words of programs, not of clients.
OURS = re.compile(r"Error\b|Exception|isn't the cause|isn't to blame|None type|object has no|\bnan\b", re.ASCII)


def send(client: FlaskClient, name: str) -> tuple[str, str]:
    """Status and sentence of the answer."""
    body, content_type = ALL[name]()
    answer = client.post("/v1/predictions", data=body, content_type=content_type)
    if answer.status_code == 200:  # the answer of a row before; what was passed over may have been something else
        client.delete(answer.headers["Location"])
        answer = client.post("/v1/predictions", data=body, content_type=content_type)
    return told(answer)


def told(response: TestResponse) -> tuple[str, str]:
    document = response.json
    if response.status_code in (200, 201):
        codes = [warning["code"] for warning in document["warnings"] if warning["code"] not in USUAL]
        study = document["study"]
        rest = [f"passed over: {one['reason']}" for one in study["passed_over"]]
        rest += [f"laterality `{study['laterality']}`"] if study["laterality"] != "R" else []
        return "201", "; ".join([", ".join(f"`{code}`" for code in codes) or "no warning", *rest])
    assert response.mimetype == "application/problem+json"
    again = " with Retry-After" if response.headers.get("Retry-After") else ""
    return f"{response.status_code}{again}", document["detail"].replace("|", "\\|")


def stored(client: FlaskClient, name: str) -> tuple[str, ...]:
    """The answer of STOW-RS, and that of a prediction on the study."""
    try:
        said = told_by_stow(STORES[name](client))
        status, sentence = told(client.post("/v1/predictions", json={"study_uid": STUDY}))
    finally:
        for study in (STUDY, "2.25.77"):
            client.delete(f"{STUDIES}/{study}")
    return *said, "nothing is stored" if status == "404" else f"{status}: {sentence}"


@pytest.mark.parametrize("name", ALL)
def test_the_page_says_what_is_answered(answered, name):
    assert send(answered[0], name) == table("studies")[name]


@pytest.mark.parametrize("name", STORES)
def test_the_page_says_what_is_stored(answered, name):
    assert stored(answered[0], name) == table("stores")[name]


@pytest.fixture(scope="module")
def one(bundles, tmp_path_factory) -> Iterator[Sender]:
    with sender(bundles[0], tmp_path_factory.mktemp("var")) as one:
        yield one


@pytest.mark.parametrize("name", REQUESTS)
def test_the_page_says_what_is_refused(one, name):
    assert told(REQUESTS[name](one)) == table("requests")[name]


@pytest.mark.parametrize("accept", ["text/html", "image/*;q=0", "nonsense", 'multipart/related; type="image/gif"'])
def test_what_cannot_be_accepted_is_never_sent(one, accept):
    statuses = {name: asking(path, accept, method)(one).status_code for name, (method, path) in NEGOTIATING.items()}
    assert statuses == dict.fromkeys(NEGOTIATING, 406)


def test_the_page_has_no_other_rows():
    assert {name: list(table(name)) for name in HEADS} == {
        "studies": list(ALL),
        "stores": list(STORES),
        "requests": list(REQUESTS),
        "no-http": list(CASES),
    }


def test_post_and_stow_agree():
    """A file that STOW-RS refuses because of its content is a file that a prediction can't use."""
    posted = table("studies")
    for name, (status, *_) in table("stores").items():
        if name in posted and status == "409":
            assert posted[name][0] in ("413", "415", "422"), name


def test_every_sentence_is_for_clients():
    for name in HEADS:
        for row, cells in table(name).items():
            assert not OURS.search(" ".join(cells)), row


def _write() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = write_tiny_bundle(folder / "tiny")
        app = create_app(Settings(bundles=(bundle,), data=folder / "var"))
        service = app.extensions[EXTENSION]
        service.engine.loaded.result()
        put("studies", HEADS["studies"], [(name, *send(app.test_client(), name)) for name in ALL])
        put("stores", HEADS["stores"], [(name, *stored(app.test_client(), name)) for name in STORES])
        service.stop()
        with sender(bundle, folder / "other") as one:
            put("requests", HEADS["requests"], [(name, *told(ask(one))) for name, ask in REQUESTS.items()])
        with serving(bundle, folder, CRUCIATE_MAX_BODY_MB="1") as running:
            running.wait_until_ready()
            problems = {name: asked(running.port, said).problem for name, (said, _) in CASES.items()}
        rows = [(name, str(problem["status"]), problem["detail"]) for name, problem in problems.items()]
        put("no-http", HEADS["no-http"], rows)


if __name__ == "__main__":
    _write()
