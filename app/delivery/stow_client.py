"""One STOW-RS request (PS3.18 10.5) within limits of time and size that no server can stretch.

The connection goes to the given address only: no redirect is followed, and no proxy is used. This uses `http.client`,
because the time limits of HTTP libraries for threads begin anew with every byte that arrives. Certificates are checked
against those that the machine trusts.
"""

import base64
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from socket import SHUT_RDWR, create_connection, socket
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit
from uuid import uuid4

from app.associations.address import Address, is_dicom
from app.contract.version import VERSION

# Characters of a path that are sent as they are (RFC 3986 3.3), and those of percent-encoding.
PATH = "/%:@!$&'()*+,;=~"
ACCEPT = "application/dicom+json"
# Statuses whose body may list what is stored and what isn't (PS3.18 10.5.3).
LISTING = {*range(200, 300), 409}


@dataclass(frozen=True)
class Limits:
    """Limits of one request.

    Attributes:
        connect_s: Seconds for a connection to each of the host's IP addresses.
        silence_s: Seconds without a byte of the answer.
        total_s: Seconds for the whole request, once there is a connection.
        answer_bytes: Size of the answer's body.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    total_s: float = 300.0
    answer_bytes: int = 1_000_000


@dataclass(frozen=True)
class Answer:
    """What a server answered. The body is only read if it may list stored objects (`LISTING`)."""

    status: int
    media_type: str
    retry_after: str
    body: bytes


class TooLong(HTTPException):
    """The body of the answer is larger than the limit."""


class TooSlow(TimeoutError):
    """The request took longer than the limit for all of it."""


def without_secrets(url: str) -> str:
    """The address of a target without user, password, query and fragment. An AE title is none of these."""
    if is_dicom(url):
        return str(Address.parse(url))
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def store(url: str, files: Sequence[bytes], limits: Limits) -> Answer:
    """Send DICOM files (PS3.10).

    Args:
        url: Address of the DICOMweb service; user and password in it are sent by Basic authentication.
        files: The files.
        limits: Limits of the request.

    Raises:
        OSError: The server can't be reached, its certificate isn't trusted, or it is too slow (TooSlow).
        HTTPException: What it answers isn't HTTP, was cut off, or is over the limit (TooLong).
        ValueError: The address can't be used.
    """
    parts = urlsplit(url)
    host, context = parts.hostname or "", ssl.create_default_context() if parts.scheme == "https" else None
    connection = HTTPSConnection(host, parts.port, context=context) if context else HTTPConnection(host, parts.port)
    with create_connection((host, connection.port), limits.connect_s) as plain, _deadline(plain, limits.total_s):
        connection.sock = context.wrap_socket(plain, server_hostname=host) if context else plain
        with closing(connection):
            return _exchanged(connection, parts, files, limits)


def _exchanged(connection: HTTPConnection, parts: SplitResult, files: Sequence[bytes], limits: Limits) -> Answer:
    boundary = uuid4().hex
    pieces = [piece for file in files for piece in (_head(boundary), file)] + [f"\r\n--{boundary}--\r\n".encode()]
    headers = _headers(parts, boundary) | {"Content-Length": str(sum(map(len, pieces)))}
    connection.sock.settimeout(None)  # the deadline ends it
    with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had read everything
        connection.request("POST", quote(parts.path.rstrip("/"), PATH) + "/studies", pieces, headers)
    connection.sock.settimeout(limits.silence_s)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers.get_content_type(), response.headers.get("Retry-After", ""), b"")
    if answer.status not in LISTING:
        return answer
    body = response.read(limits.answer_bytes + 1)
    if len(body) > limits.answer_bytes:
        raise TooLong
    if response.length:  # bytes that were announced and didn't come
        raise IncompleteRead(b"")
    return Answer(answer.status, answer.media_type, answer.retry_after, body)


def _headers(parts: SplitResult, boundary: str) -> dict[str, str]:
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary="{boundary}"',
        "Accept": ACCEPT,
        "Connection": "close",
        "User-Agent": f"Cruciate/{VERSION}",  # some firewalls refuse requests without one
    }
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
    return headers


def _head(boundary: str) -> bytes:
    return f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()


@contextmanager
def _deadline(connected: socket, seconds: float) -> Iterator[None]:
    """End the connection after this time, from another thread, whatever the block waits for. Raises TooSlow then."""
    over = threading.Event()
    # Another handle of the same connection: it stays valid when TLS takes the socket over, or when it is closed.
    with connected.dup() as same:

        def end() -> None:
            over.set()
            with suppress(OSError):
                same.shutdown(SHUT_RDWR)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, HTTPException):
            if not over.is_set():
                raise
        finally:
            timer.cancel()
            timer.join()
    if over.is_set():
        raise TooSlow
