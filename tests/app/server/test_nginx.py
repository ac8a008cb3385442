"""The nginx of deploy/, a real one, before a real service: slow, many and large clients, and TLS."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from string import Template

import pytest

from tests.app.server.raw import HALF, STALLED, answer
from tests.app.studies import instances, study_zip, voxels
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

TEMPLATE = ROOT / "deploy" / "nginx" / "cruciate.conf.template"
MAIN = ROOT / "deploy" / "nginx" / "nginx.conf"
START_S, PROMPT_S = 20.0, 5.0


def certificate(folder: Path) -> Path:
    """A folder with a certificate for localhost and its key."""
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, *files, *subject], check=True, capture_output=True)
    return folder


class Nginx:
    """A running nginx: its TLS port, and the context of a client that trusts its certificate."""

    def __init__(self, port: int, tls: Path) -> None:
        self.port, self.tls = port, tls
        self._context = ssl.create_default_context(cafile=str(tls / "fullchain.pem"))

    def connected(self, *pieces: bytes) -> ssl.SSLSocket:
        """A connection on which these bytes were sent."""
        plain = socket.create_connection(("127.0.0.1", self.port), START_S)
        client = self._context.wrap_socket(plain, server_hostname="localhost")
        for piece in pieces:
            client.sendall(piece)
        return client

    def asked(self, *pieces: bytes):
        """The answer to these bytes."""
        with self.connected(*pieces) as client:
            return answer(client)

    def seconds(self, path: str) -> float:
        """How long a GET takes that is answered with 200, with a new connection."""
        begun = time.monotonic()
        response = self.asked(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert response.status == 200, response
        return time.monotonic() - begun


def filled(tls: Path, upstream: int, **changed: str) -> tuple[int, str]:
    """A free port, and the template as nginx's container fills it in."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = {
        "CRUCIATE_UPSTREAM": f"127.0.0.1:{upstream}",
        "CRUCIATE_TLS": str(tls),
        "CRUCIATE_TLS_PORT": f"127.0.0.1:{port}",
        "CRUCIATE_MAX_BODY_MB": "1",
        "CRUCIATE_CONNECTIONS": "32",
        "CRUCIATE_REQUESTS_PER_S": "50",
        "CRUCIATE_BURST": "500",
    }
    return port, Template(TEMPLATE.read_text()).safe_substitute(values | changed)


def started(folder: Path, upstream: int, **changed: str) -> tuple[Nginx, subprocess.Popen]:
    """An nginx with the files of deploy/, in a folder of its own."""
    tls = certificate(folder / "tls")
    port, site = filled(tls, upstream, **changed)
    (folder / "site.conf").write_text(site)
    main = MAIN.read_text().replace("/etc/nginx/conf.d/*.conf", str(folder / "site.conf"))
    main = main.replace("/tmp/nginx.pid", str(folder / "nginx.pid")).replace("/dev/stderr", str(folder / "nginx.log"))
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = main.replace("http {\n", f"http {{\n{temporary}").replace("worker_processes auto", "worker_processes 1")
    (folder / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + main)
    command = ["nginx", "-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + START_S
    while not listens(port):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return Nginx(port, tls), process


def listens(port: int) -> bool:
    """Whether something accepts connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Iterator:
    """Starts nginx before a port, and stops it at the end."""
    if not shutil.which("nginx") and not os.environ.get("CI"):
        pytest.skip("nginx isn't installed")
    processes = []

    def start(upstream: int, **changed: str) -> Nginx:
        nginx, process = started(tmp_path_factory.mktemp("nginx"), upstream, **changed)
        processes.append(process)
        return nginx

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=START_S)


@pytest.fixture(scope="module")
def nginx(start, service) -> Nginx:
    return start(service.port)


def post(body: bytes, *headers: str) -> bytes:
    lines = ["POST /v1/predictions HTTP/1.1", "Host: x", "Content-Type: application/zip", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def test_a_study_is_predicted_on_over_tls(nginx):
    response = nginx.asked(post(study_zip()))
    assert response.status in (200, 201)
    assert json.loads(response.content)["status"] == "done"
    with nginx.connected() as client:
        assert client.version() in ("TLSv1.2", "TLSv1.3")
    assert "strict-transport-security" in nginx.asked(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").headers


def test_links_are_of_the_outer_address(nginx):
    """DICOMweb's absolute URLs name https and the host that the client asked."""
    (instance,) = instances(voxels()[:1], "2.25.41", "2.25.42")
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + instance + b"\r\n--b--"
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: knees.example:8443\r\n"
    kind = b'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n'
    response = nginx.asked(head + kind + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert response.status == 200, response
    assert b"https://knees.example:8443/dicom-web/studies/" in response.content


def test_stalled_bodies_half_heads_and_idle_connections_delay_nobody(nginx):
    """Also the service itself never sees them: it answers without delay beside nginx."""
    with ExitStack() as clients:
        for piece in [STALLED] * 8 + [HALF] * 8 + [b""] * 200:
            clients.enter_context(nginx.connected(piece))
        for path in ("/healthz", "/readyz", "/v1/models"):
            assert nginx.seconds(path) < PROMPT_S, path
        begun = time.monotonic()
        assert nginx.asked(post(study_zip())).status in (200, 201)
        assert time.monotonic() - begun < PROMPT_S


def test_a_body_over_the_limit_is_refused_before_any_of_it_is_read(nginx):
    """The head alone is sent."""
    head = post(b"").replace(b"Content-Length: 0", b"Content-Length: 2000000")
    response = nginx.asked(head)
    assert response.problem["status"] == 413
    assert "1 MB" in response.problem["detail"]


def test_chunks_over_the_limit_are_refused(nginx):
    head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with nginx.connected(head) as client:
        for _ in range(3):
            try:
                client.sendall(b"80000\r\n" + bytes(0x80000) + b"\r\n")
            except OSError:
                break
        assert answer(client).problem["status"] == 413


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)
def test_its_own_refusals_are_problem_documents(nginx, said, status):
    assert nginx.asked(said).problem["status"] == status


def test_plain_http_on_the_tls_port_is_told(nginx):
    with socket.create_connection(("127.0.0.1", nginx.port), START_S) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(client).problem["status"] == 400


def test_one_address_may_send_so_many_requests_and_no_more(start, service):
    nginx = start(service.port, CRUCIATE_REQUESTS_PER_S="1", CRUCIATE_BURST="3")
    answers = [nginx.asked(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") for _ in range(8)]
    assert {response.status for response in answers} == {200, 429}
    assert answers[-1].problem["status"] == 429
    assert "retry-after" in answers[-1].headers
    assert nginx.seconds("/healthz") < PROMPT_S


def test_one_address_may_have_so_many_requests_in_progress(start, service):
    nginx = start(service.port, CRUCIATE_CONNECTIONS="2")
    with nginx.connected(STALLED), nginx.connected(STALLED):
        deadline = time.monotonic() + PROMPT_S
        while (response := nginx.asked(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200:
            assert time.monotonic() < deadline
        assert response.problem["status"] == 429


def test_a_service_that_is_away_is_a_503(start):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        nginx = start(nobody.getsockname()[1])
        response = nginx.asked(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert response.problem["status"] == 503
    assert "retry-after" in response.headers


def test_its_log_quotes_no_client(nginx):
    for said in (b"GET /Quibble\r\n\r\n", b"Quibble\r\n\r\n", b"GET /Quibble HTTP/1.0\r\nHost: Quibble\r\n\r\n"):
        with nginx.connected(said) as client:
            while client.recv(1 << 16):
                pass
    assert "Quibble" not in (nginx.tls.parent / "nginx.log").read_text()
