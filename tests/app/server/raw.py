"""Clients that speak HTTP byte by byte, as no library lets one."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

ANSWER_S = 30.0


class Answer(NamedTuple):
    """A response; `content` is its body."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def problem(self) -> dict:
        """The body of a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = json.loads(self.content)
        assert problem["status"] == self.status, self
        assert problem["detail"].endswith("."), self
        return problem


def connected(port: int, *pieces: bytes) -> socket.socket:
    """A connection on which these bytes were sent."""
    client = socket.create_connection(("127.0.0.1", port), ANSWER_S)
    for piece in pieces:
        client.sendall(piece)
    return client


def answer(client: socket.socket) -> Answer:
    """What the server says until it closes the connection, or has sent as much as it promised."""
    said = b""
    while True:
        try:
            piece = client.recv(1 << 16)
        except ConnectionResetError:
            piece = b""
        said += piece
        head, found, content = said.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100") and found:
            said = content
            continue
        length = re.search(rb"content-length: (\d+)", head.lower())
        if not piece or (found and length and len(content) >= int(length[1])):
            break
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert lines[0].startswith("HTTP/1."), said
    return Answer(int(lines[0].split()[1]), headers, content)


def asked(port: int, *pieces: bytes) -> Answer:
    """The answer to these bytes."""
    with connected(port, *pieces) as client:
        return answer(client)


def seconds(port: int, path: str) -> float:
    """How long a GET takes that is answered with 200."""
    begun = time.monotonic()
    response = asked(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert response.status == 200, response
    return time.monotonic() - begun


STALLED = (
    b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\nContent-Length: 100000\r\n\r\nPK"
)
HALF = b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Ty"


@contextmanager
def siege(port: int, stalled: int = 0, halves: int = 0, idle: int = 0) -> Iterator[list[socket.socket]]:
    """Connections that send a part of a body, half a head, or nothing, and then wait."""
    with ExitStack() as clients:
        pieces = [STALLED] * stalled + [HALF] * halves + [b""] * idle
        yield [clients.enter_context(connected(port, piece)) for piece in pieces]
