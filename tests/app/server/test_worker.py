"""Clients that send nothing, or slowly, against a real service without a proxy."""

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

from app.server.pace import GRACE_S
from app.server.worker import HEAD_S
from tests.app.dicomweb.messages import RELATED, body, related
from tests.app.server.raw import HALF, STALLED, answer, asked, connected, seconds, siege
from tests.app.studies import instances, study_zip

pytestmark = pytest.mark.slow

# A request that waits for another one takes longer by far; a busy machine needs some of it.
PROMPT_S = 5.0
ZIP = {"Content-Type": "application/zip"}


def test_stalled_bodies_half_heads_and_idle_connections_delay_nobody(service):
    with siege(service.port, stalled=8, halves=8, idle=200):
        for path in ("/healthz", "/readyz", "/v1/models", "/v1/predictions"):
            assert seconds(service.port, path) < PROMPT_S, path


def test_clients_that_read_slowly_delay_nobody_and_are_cut_off(service):
    """More than may retrieve at one time, and 7 MB: more than the buffers of a connection hold."""
    study = "2.25.9140"
    for file in instances(np.zeros((8, 680, 680), np.uint16), study, f"{study}.1"):
        service.ask("POST", "/dicom-web/studies", body([file]), {"Content-Type": RELATED})
    service.ask("GET", f"/dicom-web/studies/{study}/metadata")  # every process has started
    accept = related("application/dicom", "*")
    get = f"GET /dicom-web/studies/{study} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode()
    with ExitStack() as stack:
        clients = []
        for _ in range(10):
            clients.append(stack.enter_context(with_little_room(service.port, get)))
            assert clients[-1].recv(12) == b"HTTP/1.1 200"  # the answer has begun
        begun = time.monotonic()
        for path in ("", f"/{study}/series", f"/{study}/metadata"):
            assert all(client.recv(1) for client in clients)
            assert seconds(service.port, f"/dicom-web/studies{path}") < PROMPT_S, path
        while service.log.read_text().count("a client was cut off") < len(clients):
            assert time.monotonic() - begun < GRACE_S + 10
            time.sleep(0.5)


def with_little_room(port: int, said: bytes) -> socket.socket:
    """A connection on which this was said, and whose client takes in little that it hasn't read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    client.sendall(said)
    return client


def test_the_slow_are_told_and_make_room_for_a_study(service):
    """They are cut after about ten seconds, with an answer, and a study that waited meanwhile is predicted on.

    One body trickles in. Each byte comes soon after the one before: a time limit for single reads would never end it.
    """
    begun = time.monotonic()
    with siege(service.port, stalled=8, halves=1) as clients, ThreadPoolExecutor(1) as other:
        posted = other.submit(service.request, "POST", "/v1/predictions", study_zip(), ZIP)
        while not select.select(clients[:1], [], [], 0.25)[0]:
            clients[0].sendall(b"P")
            assert time.monotonic() - begun < HEAD_S + 5
        assert posted.result()[0] in (200, 201)
        assert [answer(client).problem["status"] for client in clients] == [408] * 9
    assert time.monotonic() - begun < HEAD_S + 5


def test_more_connections_than_are_allowed_leave_room_for_a_new_one(service):
    with siege(service.port, halves=500, idle=520):
        assert seconds(service.port, "/healthz") < PROMPT_S


def test_a_connection_that_was_used_holds_no_thread(service):
    """Kept alive after an answer, then half a head: eight of these once stopped everything."""
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    clients = [connected(service.port, get) for _ in range(20)]
    for client in clients:
        assert answer(client).status == 200
        client.sendall(HALF)
    assert seconds(service.port, "/v1/models") < PROMPT_S
    clients[0].sendall(b"pe: text/plain\r\nContent-Length: 0\r\n\r\n")
    assert answer(clients[0]).status == 415
    for client in clients:
        client.close()


def test_two_requests_at_once_on_one_connection_are_both_answered(service):
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(service.port, get + get[:20]) as client:
        assert answer(client).status == 200
        client.sendall(get[20:])
        assert answer(client).status == 200


def test_a_head_may_come_byte_by_byte(service):
    with connected(service.port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            client.sendall(bytes([byte]))
        assert answer(client).status == 200


def test_clients_that_left_cost_nothing(service):
    for piece in (b"", HALF, STALLED):
        for _ in range(30):
            connected(service.port, piece).close()
    assert seconds(service.port, "/v1/models") < PROMPT_S
    assert asked(service.port, b"GET /healthz HTTP/1.0\r\n\r\n").status == 200
