"""A real service gets names in every place where a name can be. Where do they come out again?

Answers with status 200 are for their reader and hold what was sent. No log, audit, URL, header or error may.
"""

import io
import json
import re
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

from app.audit.verify import verify
from app.client import RunningService, serving
from app.http.keys import PROTECTED
from tests.app.dicomweb.messages import RELATED as RELATED_TYPE
from tests.app.dicomweb.messages import body
from tests.app.planted import HEADERS, IN_FILE_NAMES, IN_HEADERS, IN_REQUESTS, PLANTED, SERIES, STUDY, planted_study

pytestmark = pytest.mark.slow

KEY = "a-key-of-this-test-alone"
INSTANCE = f"{SERIES}.1"
ZIP = {"Content-Type": "application/zip"}
JSON = {"Content-Type": "application/json"}
RELATED = {"Content-Type": RELATED_TYPE}
# A method and a broken request, each with a word of its own: they are looked for in tests of their own.
METHOD, BROKEN = "WOMBAT", "Pimpernel"


class Answer(NamedTuple):
    """One request and what came back."""

    asked: str
    status: int
    headers: dict[str, str]
    body: bytes


class Told(NamedTuple):
    """All that a service left behind."""

    answers: list[Answer]
    log: str
    data: Path


@pytest.fixture(scope="module")
def told(bundles, tmp_path_factory) -> Iterator[Told]:
    scratch = tmp_path_factory.mktemp("privacy")
    with serving(bundles[0], scratch, CRUCIATE_API_KEYS=KEY, CRUCIATE_QUIET_S="0") as service:
        service.wait_until_ready()
        answers = [ask(service, *request) for request in studies()]
        (done,) = {answer.headers["Location"] for answer in answers if answer.status == 201}
        operations = json.loads(service.ask("GET", "/openapi.json"))["paths"]
        reviewed = ask(service, "POST", f"{done}/reviews", json.dumps({"verdict": "agree"}).encode(), JSON)
        answers.append(reviewed)
        id_, review = done.rpartition("/")[2], json.loads(reviewed.body)["id"]
        for method, path in (*pages(id_), *requests(operations, id_, review)):
            answers.append(ask(service, method, path))
        answers.append(ask(service, "GET", f"/metrics?{IN_REQUESTS}"))
        answers.append(ask(service, METHOD, "/v1/predictions"))
        for number in range(3):
            broken(service, number)
    return Told(answers, service.log.read_text(errors="replace"), scratch / "var")


def ask(service: RunningService, method: str, path: str, content: bytes = b"", headers: dict | None = None) -> Answer:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        connection.request(method, path, content or None, HEADERS | {"X-API-Key": KEY} | (headers or {}))
        response = connection.getresponse()
        return Answer(f"{method} {path}", response.status, dict(response.headers.items()), response.read())
    finally:
        connection.close()


def broken(service: RunningService, number: int) -> None:
    """Requests that the server refuses before the application sees them."""
    line = (f"GET /{BROKEN} HTTP/9.9", f"GET / HTTP/1.1\r\n{BROKEN}: x\r\n{BROKEN} y", f"{BROKEN}")[number]
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
        connection.recv(10_000)


def zipped(files: list[bytes]) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        archive.comment = IN_FILE_NAMES.encode()
        for number, file in enumerate(files):
            archive.writestr(f"{IN_FILE_NAMES}/{IN_FILE_NAMES}^{number}.dcm", file)
        archive.writestr(f"{IN_FILE_NAMES}.txt", IN_FILE_NAMES)
    return content.getvalue()


def form(files: list[bytes], field: str = "file") -> tuple[bytes, dict[str, str]]:
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{IN_FILE_NAMES}.dcm"\r\n\r\n'.encode()
    content = b"".join(head + file + b"\r\n" for file in files) + b"--b--\r\n"
    return content, {"Content-Type": "multipart/form-data; boundary=b"}


def studies() -> Iterator[tuple]:
    """Studies that are answered, and studies that are refused for every reason that quotes something."""
    study = planted_study()
    other = f"/v1/predictions?bundle={IN_REQUESTS}&{IN_REQUESTS}={IN_REQUESTS}"
    yield "POST", "/v1/predictions", zipped(study), ZIP
    for content in (
        zipped(study[:3]),
        zipped([file[:-1000] for file in study]),
        zipped([file[:200] for file in study]),
        zipped([]),
        zipped([*study, *planted_study(seed=1)]),
        zipped(planted_study(Modality=IN_HEADERS.upper())),
        zipped(planted_study(3, ImageType=["DERIVED", "PRIMARY", IN_HEADERS.upper()])),
        zipped(planted_study(PhotometricInterpretation=IN_HEADERS.upper())),
        IN_REQUESTS.encode(),
        study[0],
    ):
        yield "POST", "/v1/predictions", content, ZIP
    yield "POST", other, zipped(study), ZIP
    yield "POST", "/v1/predictions", *form(study[:2])
    yield "POST", "/v1/predictions", *form(study[:2], IN_REQUESTS)
    yield "POST", "/v1/predictions", IN_REQUESTS.encode(), {"Content-Type": f"text/{IN_REQUESTS}"}
    for held in ({"study_uid": IN_REQUESTS}, {IN_REQUESTS: IN_REQUESTS}, IN_REQUESTS, {"study_uid": "2.25.1"}):
        yield "POST", "/v1/predictions", json.dumps(held).encode(), JSON
    damaged = [study[0].replace(STUDY.encode(), IN_HEADERS.encode().ljust(len(STUDY))), study[1][:300], b"Quibble"]
    for path in ("/dicom-web/studies", f"/dicom-web/studies/{STUDY}", "/dicom-web/studies/2.25.1"):
        yield "POST", path, body(study[:1]), RELATED
        yield "POST", path, body(damaged), RELATED
    yield "POST", f"/dicom-web/studies/{IN_REQUESTS}", body(study[:1]), RELATED
    yield "POST", "/dicom-web/studies", body(study), {"Content-Type": f"multipart/{IN_REQUESTS}; boundary=x"}
    yield "POST", "/dicom-web/studies", body(study), RELATED | {"Accept": f"text/{IN_REQUESTS}"}


def pages(id_: str) -> Iterator[tuple[str, str]]:
    """The pages for people, which aren't in the OpenAPI document."""
    for path in ("/", "/login", f"/studies/{id_}", f"/studies/{id_}/report"):
        yield "GET", f"{path}?{IN_REQUESTS}={IN_REQUESTS}"


def requests(paths: dict, id_: str, review: str) -> Iterator[tuple[str, str]]:
    """Every operation with right parameters and with names for parameters; what deletes comes last."""
    right = {
        "id": id_,
        "review": review,
        "index": "0",
        "kind": "sr",
        "name": "tiny",
        "part": "docs.js",
        "numbers": "1",
        "number": "1",
        "attribute": "00204000",
    }
    right |= {"study": STUDY, "series": SERIES, "instance": INSTANCE}
    wrong = dict.fromkeys(right, IN_REQUESTS) | {"index": "99", "number": "99"}
    found = [(method.upper(), path, one) for path, methods in paths.items() for method, one in methods.items()]
    for method, path, operation in sorted(found, key=lambda one: one[0] == "DELETE"):
        names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
        query = "&".join(f"{name}={IN_REQUESTS}" for name in (*names, IN_REQUESTS))
        for values, asked in (
            (wrong, ""),
            (wrong, query),
            (right, query),
            (right, f"PatientName={IN_REQUESTS}*"),
            (right, ""),
        ):
            yield method, f"{filled(path, values)}?{asked}"


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda part: values[part[1]], path)


def found_in(text: str) -> list[str]:
    return [word for word in (*PLANTED, STUDY, SERIES) if word.lower() in text.lower()]


def test_every_operation_was_asked(told):
    """Otherwise the other tests would prove nothing."""
    assert {answer.status for answer in told.answers} >= {200, 201, 204, 400, 404, 415, 422}
    assert len(told.answers) > 150
    assert told.log.count('"route"') >= len(told.answers)


def test_no_log_holds_a_name(told):
    lines = [line for line in told.log.splitlines() if METHOD not in line and BROKEN not in line]
    assert [line for line in lines if found_in(line)] == []
    assert "Traceback" not in told.log


def test_no_audit_holds_a_name(told):
    assert verify(told.data).faults == ()
    texts = [path.read_text() for path in (told.data / "audit").iterdir()]
    assert "".join(texts).count("\n") > 100
    assert [found_in(text + path.name) for text, path in zip(texts, (told.data / "audit").iterdir(), strict=True)] == (
        [[]] * len(texts)
    )
    assert METHOD not in "".join(texts)


def test_no_url_and_no_header_holds_a_name(told):
    """But for Warning, which names what the client itself sent: parameters that were ignored."""
    for answer in told.answers:
        told_back = {name: value for name, value in answer.headers.items() if name != "Warning"}
        assert [word for word in PLANTED if word in str(told_back)] == [], answer.asked
        assert IN_HEADERS not in answer.headers.get("Warning", ""), answer.asked


def problems(told: Told) -> Iterator[tuple[str, dict]]:
    """Each problem document without `errors[].file`, the client's own names of its files (docs/api.md)."""
    for answer in told.answers:
        if answer.headers.get("Content-Type") == "application/problem+json":
            problem = json.loads(answer.body)
            for error in problem.get("errors", []):
                del error["file"]
            yield answer.asked, problem


def test_no_error_holds_a_name(told):
    quoting = [asked for asked, problem in problems(told) if {IN_HEADERS, IN_REQUESTS} & set(found_in(str(problem)))]
    assert quoting == []


def test_no_error_holds_a_name_of_a_file(told):
    assert [problem for _, problem in problems(told) if IN_FILE_NAMES in str(problem)] == []


def test_nothing_that_needs_no_key_holds_a_name(told):
    """Health, documentation, and metrics if there are any."""
    opened = [answer for answer in told.answers if not answer.asked.partition(" ")[2].startswith(PROTECTED)]
    assert len(opened) > 10
    assert [answer.asked for answer in opened if found_in(answer.body.decode(errors="replace"))] == []


def test_no_name_of_a_file_holds_a_name(told):
    assert [path for path in told.data.rglob("*") if any(word in path.name for word in PLANTED)] == []


def test_only_the_owner_may_read_the_data(told):
    open_to_others = {str(path.relative_to(told.data)) for path in told.data.rglob("*") if path.stat().st_mode & 0o077}
    assert open_to_others == set()


def test_a_method_that_a_client_made_up_is_not_logged(told):
    assert METHOD not in told.log


def test_a_request_that_is_no_http_is_not_logged(told):
    assert BROKEN not in told.log
