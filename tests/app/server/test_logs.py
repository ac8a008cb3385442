"""Nothing that a client sends appears in a log, wherever it is: a real service, and marked bytes everywhere."""

import io
import json

import pytest
from pydicom import dcmread

from tests.app.server.raw import asked, connected
from tests.app.studies import instances, voxels, zipped_as

pytestmark = pytest.mark.slow

MARK = "Qu1bble"
M = MARK.encode()
ZIP = b"Content-Type: application/zip\r\n"


def marked_instance() -> bytes:
    """An instance whose every text is marked, and which can't be stored or predicted on."""
    dataset = dcmread(io.BytesIO(instances(voxels()[:1])[0]))
    for keyword in ("PatientName", "PatientID", "SeriesDescription", "StudyDescription", "AccessionNumber"):
        setattr(dataset, keyword, MARK)
    dataset.add_new(0x00090010, "LO", MARK)
    dataset.PixelData = M * 4
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def sized(head: bytes, body: bytes) -> bytes:
    return head + f"Host: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def form(name: bytes, file: bytes, body: bytes, boundary: bytes = M) -> bytes:
    content = b"--%s\r\nContent-Disposition: form-data; name=%s; filename=%s\r\n" % (
        boundary,
        name,
        file,
    ) + b"X-%s: %s\r\n\r\n%s\r\n--%s--\r\n" % (M, M, body, boundary)
    head = b"POST /v1/predictions?%s=%s HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=%s\r\n"
    return sized(head % (M, M, boundary), content)


def stow(body: bytes, part_type: bytes = b"application/dicom") -> bytes:
    content = b"--%s\r\nContent-Type: %s\r\n\r\n%s\r\n--%s--\r\n" % (M, part_type, body, M)
    related = b"Content-Type: multipart/related; type=application/dicom; boundary=%s\r\n" % M
    return sized(b"POST /dicom-web/studies HTTP/1.1\r\n" + related, content)


def attacks() -> dict[str, bytes]:
    get, post = b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"POST /v1/predictions HTTP/1.1\r\n" + ZIP
    return {
        "request line": b"%s\r\n\r\n" % M,
        "method": b"%s /healthz HTTP/1.1\r\nHost: x\r\n\r\n" % M.upper(),
        "bad method": b"%s# /healthz HTTP/1.1\r\n\r\n" % M,
        "version": b"GET / HTTP/%s\r\n\r\n" % M,
        "path": b"GET /v1/predictions/%s HTTP/1.1\r\nHost: x\r\n\r\n" % M,
        "unknown path": b"GET /%s?%s=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (M, M, M),
        "path that is no URL": b"GET /%s\xff HTTP/1.1\r\n\r\n" % M,
        "bracketed host in path": b"GET http://[%s/ HTTP/1.1\r\n\r\n" % M,
        "query": b"GET /dicom-web/studies?PatientName=%s&%s=1 HTTP/1.1\r\nHost: x\r\n\r\n" % (M, M),
        "query of a study": b"GET /v1/predictions?since=%s HTTP/1.1\r\nHost: x\r\n\r\n" % M,
        "long line": b"GET /" + M * 500 + b" HTTP/1.1\r\n\r\n",
        "header name": get + b"%s x: 1\r\n\r\n" % M,
        "header name with an underscore": get + b"%s_x: 1\r\n\r\n" % M,
        "header value": get + b"A: %s\0\r\n\r\n" % M,
        "folded header": get + b"%s: a\r\n %s\r\n\r\n" % (M, M),
        "no colon": get + b"%s\r\n\r\n" % M,
        "user agent": get + b"User-Agent: %s\r\nCookie: %s\r\nAuthorization: %s\r\n\r\n" % (M, M, M),
        "host": b"GET /v1/models HTTP/1.1\r\nHost: %s:%s\r\n\r\n" % (M, M),
        "expect": get + b"Expect: %s\r\n\r\n" % M,
        "length": post + b"Content-Length: %s\r\n\r\n" % M,
        "transfer coding": post + b"Transfer-Encoding: %s\r\n\r\n" % M,
        "chunk size": post + b"Transfer-Encoding: chunked\r\n\r\n%s\r\n" % M,
        "chunk extension": post + b"Transfer-Encoding: chunked\r\n\r\n3;\1%s\r\nabc\r\n" % M,
        "chunk terminator": post + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc%s\r\n" % M,
        "trailer": post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n%s x: 1\r\n\r\n" % M,
        "body": sized(post, M * 10),
        "type": sized(b"POST /v1/predictions HTTP/1.1\r\nContent-Type: %s/%s\r\n" % (M, M), M),
        "json": sized(b"POST /v1/predictions HTTP/1.1\r\nContent-Type: application/json\r\n", b'{"%s": "%s"}' % (M, M)),
        "study uid": sized(
            b"POST /v1/predictions HTTP/1.1\r\nContent-Type: application/json\r\n", b'{"study_uid": "%s"}' % M
        ),
        "part name": form(M, b"x", b"abc"),
        "file name": form(b"file", M, b"abc"),
        "file": form(b"file", M, marked_instance()),
        "zip member": sized(post, zipped_as({f"{MARK}/{MARK}": marked_instance(), MARK: M})),
        "boundary": form(b"file", b"x", b"abc", M + b"\xff"),
        "instance": stow(marked_instance()),
        "part type": stow(marked_instance(), M + b"/" + M),
        "no instance": stow(M * 100),
        "study in path": b"POST /dicom-web/studies/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % M,
        "deleted study": b"DELETE /dicom-web/studies/%s HTTP/1.1\r\nHost: x\r\n\r\n" % M,
        "accept": b"GET /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n" % M,
        "http/2": b"PRI * HTTP/2.0\r\n\r\n%s\r\n\r\n" % M,
    }


def test_no_log_quotes_a_client(service):
    for name, said in attacks().items():
        response = asked(service.port, said)
        assert response.status < 500 or response.status == 501, (name, response)
    for said in attacks().values():  # clients that leave in the middle
        connected(service.port, said[: len(said) * 2 // 3]).close()
    asked(service.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    log = service.log.read_text(errors="replace").lower()
    assert "a request was refused" in log
    assert MARK.lower() not in log
    assert "traceback" not in log


def test_the_request_log_is_json_and_knows_the_usual_methods(service):
    asked(service.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    lines = [line.partition(" app.http.request_log ")[2] for line in service.log.read_text().splitlines()]
    known = [json.loads(line) for line in lines if line]
    assert {"GET"} <= {line["method"] for line in known} <= {"GET", "POST", "DELETE", None}
