"""Targets that answer in every way, on real sockets."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

Say = Callable[[socket.socket], None]
# No test waits for so long.
PATIENCE_S = 20.0


@dataclass
class Request:
    """The head of a request as text, and its body."""

    head: str
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        lines = dict(line.split(": ", 1) for line in self.head.splitlines()[1:])
        return lines.get(name)


class Target:
    """A server on loopback that keeps every request and answers as `say` does. It closes the connection then.

    Attributes:
        got: The requests, in order.
        connected: How often somebody connected.
    """

    def __init__(self, say: Say, secure: ssl.SSLContext | None = None, listens: bool = True) -> None:
        self.say, self.got, self.connected = say, [], 0
        self._secure, self._listens = secure, listens
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http{'s' if secure else ''}://127.0.0.1:{self.port}/dicom-web"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connected += 1
                connection.settimeout(PATIENCE_S)
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._secure:
                connection = self._secure.wrap_socket(connection, server_side=True)
            with connection:
                if self._listens:
                    self.got.append(read(connection))
                self.say(connection)


def read(connection: socket.socket) -> Request:
    """One request with a Content-Length."""
    with connection.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n")).decode()
        length = int(Request(head, b"").header("Content-Length") or 0)
        return Request(head, stream.read(length))


def says(status: int, body: bytes | str = b"", media_type: str = "application/dicom+json", **headers: str) -> Say:
    """A whole answer."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} x", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return lambda connection: connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def raw(*pieces: bytes, every_s: float = 0.0) -> Say:
    """These bytes, one piece after another; the last one for ever if there is time between them."""

    def say(connection: socket.socket) -> None:
        for piece in _repeated(pieces) if every_s else pieces:
            connection.sendall(piece)
            time.sleep(every_s)

    return say


def silent(connection: socket.socket) -> None:
    """Say nothing, until the other side ends the connection."""
    while connection.recv(4096):
        pass


def stored(*uids: str, failed: tuple[str, ...] = ()) -> str:
    """A Store Instances Response (PS3.18 table I.1-1) in DICOM JSON."""
    sequences = {"00081199": uids, "00081198": failed}
    return json.dumps(
        {
            tag: {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in named]}
            for tag, named in sequences.items()
            if named
        }
    )


def _repeated(pieces: tuple[bytes, ...]) -> Iterator[bytes]:
    yield from pieces
    while True:
        yield pieces[-1]
