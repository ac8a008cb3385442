"""How slowly a client may send a request or receive its answer.

A time limit for each read isn't enough: a client that sends one byte in every second would keep a thread for hours. So
a client has some seconds of waiting in store. Waiting uses them up, and bytes bring them back at the least rate.
"""

import errno
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Semaphore

LOG = logging.getLogger(__name__)
# Seconds of waiting that a client has in store: at the beginning, and at most.
GRACE_S = 10.0
# Bytes that bring back one second.
LEAST_RATE = 16 << 10
# Seconds of waiting after which no rate helps.
TOTAL_S = 1800.0
# Bytes that are sent at once. A larger piece would be counted only when all of it has gone.
PIECE = 64 << 10


class Pace:
    """How long a client may still make the service wait.

    Only time in which the service waits is counted. While the service itself is busy, a client loses nothing.
    """

    def __init__(self) -> None:
        self._store_s, self._total_s = GRACE_S, TOTAL_S

    def left_s(self) -> float:
        """Seconds that the service still waits; not positive if the client was too slow."""
        return min(self._store_s, self._total_s)

    def count(self, waited_s: float, size: int) -> None:
        """Add a wait in seconds and the bytes that it brought."""
        self._store_s = min(self._store_s - waited_s + size / LEAST_RATE, GRACE_S)
        self._total_s -= waited_s


class PacedSocket(socket.socket):
    """A connection whose blocking reads and writes end when the client is too slow.

    Reads and writes with a timeout of their own, and those that don't block, are as in any socket.
    """

    def __init__(self, plain: socket.socket) -> None:
        super().__init__(fileno=plain.detach())
        self.begin()

    def begin(self, turn: Semaphore | None = None) -> None:
        """Begin to count for the next request. Its thread gives `turn` back while the client receives slowly."""
        self._received, self._sent, self._turn = Pace(), Pace(), turn

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read at most `size` bytes. Raises TimeoutError if the client is too slow."""
        if self.gettimeout() is not None:
            return super().recv(size, flags)
        with suppress(BlockingIOError):  # what is here already needs no wait
            data = super().recv(size, flags | socket.MSG_DONTWAIT)
            self._received.count(0.0, len(data))
            return data
        data = b""
        begun = self._wait(self._received)
        try:
            data = super().recv(size, flags)
        finally:
            self.settimeout(None)
            self._received.count(time.monotonic() - begun, len(data))
        return data

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]  # gunicorn sends bytes
        """Send everything. A client that is too slow counts as one that has left: raises BrokenPipeError."""
        if self.gettimeout() is not None:
            return super().sendall(data, flags)
        rest = memoryview(data)
        while rest:
            rest = rest[self._send_some(rest[:PIECE], flags) :]
        return None

    def _send_some(self, piece: memoryview, flags: int) -> int:
        with suppress(BlockingIOError):  # what the buffers take needs no wait
            size = self.send(piece, flags | socket.MSG_DONTWAIT)
            self._sent.count(0.0, size)
            return size
        with self._without_turn():
            try:
                begun = self._wait(self._sent)
                size = self.send(piece, flags)
            except TimeoutError:
                LOG.warning("a client was cut off: it received its answer too slowly")
                raise BrokenPipeError(errno.EPIPE, "the client receives too slowly") from None
            finally:
                self.settimeout(None)
            self._sent.count(time.monotonic() - begun, size)
        return size

    @contextmanager
    def _without_turn(self) -> Iterator[None]:
        """Let another request have this one's turn as long as the block runs."""
        if self._turn is None:
            yield
            return
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    def _wait(self, pace: Pace) -> float:
        """Allow the wait that is left, and return its beginning."""
        if (left_s := pace.left_s()) <= 0:
            raise TimeoutError("the client is too slow")
        self.settimeout(left_s)
        return time.monotonic()
