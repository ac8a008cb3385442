"""Requests that are no valid HTTP: a problem document, never HTML, and never a 500."""

import socket
import struct
import time

import pytest
from gunicorn.http import errors

from app.server.refusals import message, refusal
from tests.app.bad_page import table
from tests.app.dicomweb.messages import body as stored
from tests.app.server.raw import Answer, answer, asked, connected, seconds
from tests.app.studies import instances, voxels

pytestmark = pytest.mark.slow

POST = b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\n"
STOW = b"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/related; type=application/dicom"
FORM = b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nabc'
MB = 1 << 20
GONE, GONE_S, PROMPT_S = "2.25.404", 30.0, 5.0


def sized(head: bytes, body: bytes) -> bytes:
    return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


CASES = {
    "a chunk size that is no number": (POST + CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", 400),
    "a negative chunk size": (POST + CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", 400),
    "an empty chunk size": (POST + CHUNKED + b"\r\nabc\r\n0\r\n\r\n", 400),
    "a chunk longer than its size": (POST + CHUNKED + b"2\r\nabcdef\r\n0\r\n\r\n", 400),
    "an invalid chunk extension": (POST + CHUNKED + b"3;\x01\r\nabc\r\n0\r\n\r\n", 400),
    "an invalid trailer": (POST + CHUNKED + chunk(b"abc") + b"0\r\nno trailer\r\n\r\n", 400),
    "bad chunks of DICOMweb": (STOW + b"; boundary=b\r\n" + CHUNKED + b"zz\r\n", 400),
    "bad chunks of a form": (FORM + b"; boundary=b\r\n" + CHUNKED + b"zz\r\n", 400),
    "bad chunks of JSON": (POST.replace(b"zip", b"json") + CHUNKED + b"zz\r\n", 400),
    "bad chunks of another type": (POST.replace(b"application/zip", b"text/plain") + CHUNKED + b"zz\r\n", 415),
    "no boundary": (sized(FORM + b"\r\n", PART), 400),
    "no boundary, DICOMweb": (sized(STOW + b"\r\n", PART), 400),
    "a part that is cut": (sized(FORM + b"; boundary=b\r\n", PART), 400),
    "a part that is cut, DICOMweb": (sized(STOW + b"; boundary=b\r\n", PART), 400),
    "a length and chunks": (POST + b"Content-Length: 3\r\n" + CHUNKED + chunk(b"abc") + b"0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "the same length twice": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "a length that is no number": (POST + b"Content-Length: 1e3\r\n\r\n", 400),
    "a length of five thousand digits": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
    "an unknown transfer coding": (POST + b"Transfer-Encoding: zip\r\n\r\n", 501),
    "over the limit, with a length": (sized(POST, bytes(2 * MB)), 413),
    "over the limit, in chunks": (POST + CHUNKED + chunk(bytes(MB)) * 2 + b"0\r\n\r\n", 413),
    "over the limit, DICOMweb": (
        STOW + b"; boundary=b\r\n" + CHUNKED + chunk(PART) + chunk(bytes(MB)) * 2 + b"0\r\n\r\n",
        413,
    ),
    "over the limit, a form": (sized(FORM + b"; boundary=b\r\n", PART + bytes(2 * MB)), 413),
    "over the limit, JSON": (sized(POST.replace(b"zip", b"json"), bytes(2 * MB)), 413),
    "a line that is too long": (b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\n\r\n", 414),
    "a line that never ends": (b"GET /" + b"x" * 3000, 414),
    "too many headers": (b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 60 + b"\r\n", 431),
    "a header that is too long": (b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 9000 + b"\r\n\r\n", 431),
    "a head that never ends": (b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a line of one word": (b"GET\r\n\r\n", 400),
    "an empty line and nothing": (b"\r\n\r\n\r\n", 400),
    "HTTP/9.9": (b"GET /healthz HTTP/9.9\r\n\r\n", 400),
    "a header without a colon": (b"GET /healthz HTTP/1.1\r\nnothing\r\n\r\n", 400),
    "a space in a header's name": (b"GET /healthz HTTP/1.1\r\nA b: c\r\n\r\n", 400),
    "a folded header": (b"GET /healthz HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    "a null byte in a header": (b"GET /healthz HTTP/1.1\r\nA: b\0c\r\n\r\n", 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "lines that end with LF": (b"GET /healthz HTTP/1.1\nHost: a\n\n", 400),
    "an expectation": (b"GET /healthz HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417),
    "an unknown method": (b"MIRACLE /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
}


@pytest.mark.parametrize("case", CASES)
def test_every_bad_request_gets_a_problem_document(service, case):
    said, status = CASES[case]
    problem = asked(service.port, said).problem
    assert problem["status"] == status, problem
    assert (str(status), problem["detail"]) == table("no-http")[case]


@pytest.mark.parametrize("head", [POST, STOW + b"; boundary=b\r\n", FORM + b"; boundary=b\r\n"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_whose_sender_leaves_is_a_400(service, head, framing):
    """The client sends half of what it announced, and then only listens."""
    said = head + (b"Content-Length: 1000\r\n\r\n" + PART if framing == "length" else CHUNKED + b"1000\r\n" + PART)
    with connected(service.port, said) as client:
        client.shutdown(socket.SHUT_WR)
        assert answer(client).problem["status"] == 400


@pytest.mark.parametrize("head", [POST, STOW + b"; boundary=b\r\n", FORM + b"; boundary=b\r\n"])
def test_nothing_is_left_of_a_client_that_is_gone_midway(service, head):
    """Whole instances have arrived; the connection ends by a reset, as when a cable is pulled or a program killed."""
    whole = stored(instances(voxels(), GONE)[:3]).replace(b"--xyz", b"--b").removesuffix(b"--b--\r\n")
    with connected(service.port, head + b"Content-Length: 900000\r\n\r\n" + whole) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert seconds(service.port, "/readyz") < PROMPT_S
    deadline = time.monotonic() + GONE_S
    while left := [path for path in (service.log.parent / "var").rglob(".incoming/*/*") if path.name != ".lock"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    for path, status in (
        (f"/dicom-web/studies?StudyInstanceUID={GONE}", 204),
        (f"/v1/predictions?study_uid={GONE}", 200),
    ):
        answer = asked(service.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.status == status
        assert b'"id"' not in answer.content


def test_the_service_is_well_afterwards(service):
    assert seconds(service.port, "/readyz") < PROMPT_S
    assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize(
    "header", ["SCRIPT_NAME: /x", "SCRIPT_NAME: /healthz", "PATH_INFO: /v1/models", "REMOTE_ADDR: ::"]
)
def test_no_header_changes_which_path_is_asked(service, header):
    answer = asked(service.port, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
    assert (answer.status, answer.content) == (200, ok(service).content)


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ("X-Forwarded-Proto: https", "https"),
        ("X-Forwarded-Proto: http", "http"),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off", "https"),
        ("X-Forwarded-Ssl: on", "http"),
        ("X-Forwarded-Protocol: ssl", "http"),
    ],
)
def test_only_one_header_says_https(service, headers, scheme):
    """The one that nginx sets. nginx passes on others as the client sent them."""
    (instance,) = instances(voxels()[:1], "2.25.43", "2.25.44")
    stored_one = stored([instance])
    head = STOW + f"; boundary=xyz\r\n{headers}\r\nContent-Length: {len(stored_one)}\r\n\r\n".encode()
    answer = asked(service.port, head + stored_one)
    assert answer.status == 200, answer
    assert f'"{scheme}://x/dicom-web/studies/2.25.43"'.encode() in answer.content


def ok(service) -> Answer:
    return asked(service.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")


def test_the_kind_of_an_error_decides():
    assert refusal(errors.LimitRequestLine(9, 1)).status == 414
    assert refusal(errors.ConfigurationProblem("x")).status == 500
    assert refusal(ZeroDivisionError("secret")).status == 500
    assert b"secret" not in message(refusal(errors.InvalidHeader("secret")))
