"""One request, to targets that answer badly, slowly, endlessly or not at all; the clock of the limits is real."""

import base64
import email
import ssl
import subprocess
import time
from http.client import HTTPException, IncompleteRead

import pytest

from app.delivery.stow_client import Answer, Limits, TooLong, TooSlow, store, without_secrets
from tests.app.delivery.targets import raw, says, silent

pytestmark = pytest.mark.slow

FILES = [b"first", b"\r\n--second--\x00", b""]
HURRIED = Limits(connect_s=1, silence_s=1, total_s=0.25, answer_bytes=1000)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
# A limit that was kept, on a busy machine.
SOON_S = 3.0


def test_files_arrive_as_they_are_with_user_and_password(listen):
    target = listen(says(200, "{}"))
    url = target.url.replace("//", "//us%40er:p%C3%A4ss@") + "/?a=b#c"
    assert store(url, FILES, Limits()) == Answer(200, "application/dicom+json", "", b"{}")
    (request,) = target.got
    assert request.head.startswith("POST /dicom-web/studies HTTP/1.1\r\n")
    assert request.header("Host") == f"127.0.0.1:{target.port}"
    assert base64.b64decode(request.header("Authorization").removeprefix("Basic ")).decode() == "us@er:päss"
    whole = email.message_from_bytes(f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode() + request.body)
    assert whole.get_param("type") == "application/dicom"
    assert [part.get_content_type() for part in whole.get_payload()] == ["application/dicom"] * 3
    boundary = f"\r\n--{whole.get_boundary()}".encode()
    parts = request.body.split(boundary)[1:-1]
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == FILES


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://u:p@pacs:8042/dicom-web/?a=b#c", "https://pacs:8042/dicom-web"),
        ("http://u@[::1]/", "http://[::1]"),
        ("http://pacs", "http://pacs"),
    ],
)
def test_a_name_has_no_secrets(url, name):
    assert without_secrets(url) == name


def test_a_path_may_have_odd_characters(listen):
    target = listen(says(200))
    store(f"http://127.0.0.1:{target.port}/a b/%20/ü", FILES, Limits())
    assert target.got[0].head.startswith("POST /a%20b/%20/%C3%BC/studies ")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(listen, status):
    other = listen(says(200))
    target = listen(says(status, Location=f"{other.url}/studies"))
    assert store(target.url.replace("//", "//user:secret@"), FILES, Limits()).status == status
    assert (len(target.got), other.connected) == (1, 0)


def test_no_proxy_is_used(listen, monkeypatch):
    proxy, target = listen(says(200)), listen(says(200))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    store(target.url, FILES, Limits())
    assert (len(target.got), proxy.connected) == (1, 0)


TRICKLES = {
    "the body": raw(OK + b"Content-Length: 900\r\n\r\n", b" ", every_s=0.01),
    "a chunk": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", every_s=0.01),
    "the length of a chunk": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0", every_s=0.01),
    "a header": raw(OK + b"X: ", b"x", every_s=0.01),
    "the status": raw(b"HTTP/1.1 2", b"0", every_s=0.01),
    "interim answers": raw(b"HTTP/1.1 100 Continue\r\n\r\n", every_s=0.01),
}


@pytest.mark.parametrize("what", TRICKLES)
def test_who_trickles_is_left_when_the_time_is_over(listen, what):
    target = listen(TRICKLES[what])
    begun = time.monotonic()
    with pytest.raises(TooSlow):
        store(target.url, FILES, HURRIED)
    assert HURRIED.total_s <= time.monotonic() - begun < SOON_S


def test_who_does_not_read_is_left_when_the_time_is_over(listen):
    target = listen(lambda _: time.sleep(SOON_S), listens=False)
    begun = time.monotonic()
    with pytest.raises(TooSlow):
        store(target.url, [bytes(30_000_000)], HURRIED)
    assert time.monotonic() - begun < SOON_S


def test_who_does_not_finish_the_handshake_is_left_when_the_time_is_over(listen):
    target = listen(silent, listens=False)
    begun = time.monotonic()
    with pytest.raises(TooSlow):
        store(target.url.replace("http:", "https:"), FILES, HURRIED)
    assert time.monotonic() - begun < SOON_S


def test_who_says_nothing_is_left_sooner(listen):
    begun = time.monotonic()
    with pytest.raises(TimeoutError) as silence:
        store(listen(silent).url, FILES, Limits(silence_s=0.1))
    assert not isinstance(silence.value, TooSlow)
    assert time.monotonic() - begun < SOON_S


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(200, bytes(1001)), TooLong),
        (raw(OK + b"Content-Length: 99999999999999\r\n\r\n" + bytes(2000)), TooLong),
        (raw(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"ff\r\n" + bytes(255) + b"\r\n", every_s=1e-4), TooLong),
        (raw(OK + b"\r\n", bytes(10_000), every_s=1e-4), TooLong),
        (raw(OK, b"X: " + bytes(60_000) + b"\r\n", every_s=1e-4), HTTPException),
        (raw(OK + b"X: " + bytes(70_000)), HTTPException),
    ],
)
def test_an_answer_without_end_is_not_read_to_its_end(listen, answer, error):
    with pytest.raises(error):
        store(listen(answer).url, FILES, Limits(answer_bytes=1000, silence_s=2, total_s=10))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (raw(), OSError),
        (raw(b"HTTP/1.1 20"), HTTPException),
        (raw(OK + b"Content-Length: 100\r\n\r\n{"), IncompleteRead),
        (raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"), IncompleteRead),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), HTTPException),
    ],
)
def test_a_connection_that_is_cut_is_no_answer(listen, answer, error):
    with pytest.raises(error):
        store(listen(answer).url, FILES, Limits(silence_s=2))


def test_a_cut_head_is_no_list_of_stored_objects(listen):
    assert store(listen(raw(b"HTTP/1.1 200 OK\r\nContent-Le")).url, FILES, Limits()).body == b""


def test_nobody_listens(listen):
    target = listen(says(200))
    target.close()
    with pytest.raises(ConnectionRefusedError):
        store(target.url, FILES, Limits())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate and its key, made by OpenSSL, for `localhost` only."""
    both = tmp_path_factory.mktemp("tls") / "both.pem"
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    try:
        subprocess.run(
            [*new.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", both, "-out", f"{both}.crt"],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl isn't installed")
    both.write_text(both.read_text() + both.with_name("both.pem.crt").read_text())
    return both


@pytest.mark.parametrize(
    ("host", "is_trusted", "arrives"),
    [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)],
)
def test_only_a_certificate_that_the_machine_trusts_and_that_fits(
    listen, certificate, monkeypatch, host, is_trusted, arrives
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    target = listen(says(200, "{}"), secure=context)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = target.url.replace("127.0.0.1", host)
    if arrives:
        assert store(url, FILES, Limits()).status == 200
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            store(url, FILES, Limits())
    assert len(target.got) == arrives
