"""gunicorn's threaded worker, in which no client can hold all threads.

gunicorn gives each new connection a thread at once, so eight clients that send nothing stop everything. Here the main
thread collects the heads of requests without blocking. A request gets a thread only when its head is complete. Health,
retrievals, other requests without a body and requests with a body have threads of their own (`Lane`). Bodies and
answers have a least rate (`PacedSocket`). A client that is refused gets a problem document, and no log quotes it.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.http import Request, get_parser
from gunicorn.http.errors import ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.contract.problems import log_unexpected
from app.server.pace import PacedSocket
from app.server.refusals import SlowHead, message, refusal
from app.server.request_head import Lane, RequestHead
from app.service.starting import sentence

LOG = logging.getLogger(__name__)
# Seconds. An idle connection is closed after this time, and a head must be complete.
HEAD_S = 10.0
# Seconds in which a client that is refused may still send. A connection closed at once could lose the answer.
LINGER_S = 2.0
HEALTH_THREADS = 2
# Retrievals that work or wait for slow clients. Each holds some megabytes of an answer; the rest is on the disk.
READERS = 128
PIECE = 64 << 10


class Worker(ThreadWorker):
    """The worker.

    Attributes:
        predecessors: Ids of processes that serve until this one has loaded its models (a reload).
    """

    predecessors: tuple[int, ...] = ()

    def init_process(self) -> None:
        """Make the threads of each lane, then serve."""
        sizes = dict.fromkeys(Lane, self.cfg.threads) | {Lane.HEALTH: HEALTH_THREADS, Lane.RETRIEVAL: READERS}
        self._lanes = {lane: ThreadPoolExecutor(size, lane.value) for lane, size in sizes.items()}
        # Retrievals that work. Those that wait for their clients don't count.
        self._retrieving = threading.Semaphore(self.cfg.threads)
        # Connections whose next request is awaited, and those that only linger; the oldest first.
        self._heads: dict[TConn, RequestHead] = {}
        self._lingering: dict[TConn, None] = {}
        super().init_process()

    def load_wsgi(self) -> None:
        """Make the application. A reason why it can't be made is logged as one sentence."""
        try:
            super().load_wsgi()
        except Exception as error:
            LOG.critical("the service can't start: %s", sentence(error))
            sys.exit(self.cannot_start)

    @property
    def cannot_start(self) -> int:
        """Exit status of a worker that can't serve. gunicorn then stops, unless a predecessor still serves."""
        return 1 if self.predecessors else Arbiter.WORKER_BOOT_ERROR

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Accept connections, or don't. While a predecessor serves, it accepts them."""
        super().set_accept_enabled(enabled and not self.predecessors)

    def take_over(self) -> None:
        """Accept connections, and let the predecessors finish what they have accepted."""
        predecessors, self.predecessors = self.predecessors, ()
        for process in predecessors:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        self.method_queue.defer(lambda: None)  # wakes the main thread

    def enqueue_req(self, conn: TConn) -> None:
        """Await the next request of a connection."""
        if conn.parser is None:
            self._make_room()
            conn.sock = PacedSocket(conn.sock)
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.initialized = True
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + HEAD_S
        self._heads[conn] = RequestHead(conn.parser.unreader.take_buffered())  # type: ignore[union-attr]  # no HTTP/2
        self._watch(conn, self._collect)
        self._advance(conn)

    def murder_pending(self) -> None:
        """End waits that have taken too long. gunicorn calls this about once a second."""
        now = time.monotonic()
        # A worker that stops still takes requests that are just being sent.
        since = now if self.alive else now + HEAD_S - LINGER_S
        for conn in [conn for conn in self._heads if (conn.timeout or 0) <= since]:
            if self._heads[conn].bytes:
                self._refuse(conn, SlowHead())
            else:
                self._drop(conn)
        for conn in [conn for conn in self._lingering if (conn.timeout or 0) <= now]:
            self._drop(conn)

    def finish_request(self, conn: TConn, fs: "Future[bool]") -> None:
        """Await the next request, or end the connection without making the main thread wait for it."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    def handle_error(self, req: Request | None, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer with a problem document. The log gets the kind of the error only."""
        problem = refusal(exc)
        if problem.status == 500:
            log_unexpected(exc)
        else:
            LOG.warning("a request was refused: %s", type(exc).__name__)
        with suppress(OSError):
            write_nonblock(client, message(problem))

    def _collect(self, conn: TConn) -> None:
        """Take what a client has sent of a head."""
        if conn not in self._heads:  # dropped since the event
            return
        try:
            data = conn.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        self._heads[conn].bytes += data
        self._advance(conn)

    def _advance(self, conn: TConn) -> None:
        """Give the request a thread if its head is complete."""
        head = self._heads[conn]
        try:
            if not head.is_complete(self.cfg):
                return
        except ParseException as error:
            self._refuse(conn, error)
            return
        self._forget(conn)
        conn.parser.unreader.unread(head.bytes)  # type: ignore[union-attr]  # no HTTP/2
        lane = head.lane()
        conn.sock.begin(self._retrieving if lane is Lane.RETRIEVAL else None)  # type: ignore[attr-defined]  # a PacedSocket
        future = self._lanes[lane].submit(self._retrieve if lane is Lane.RETRIEVAL else self.handle, conn)
        future.add_done_callback(partial(self.method_queue.defer, self.finish_request, conn))

    def _retrieve(self, conn: TConn) -> Any:
        """Handle a retrieval when it is its turn."""
        with self._retrieving:
            return self.handle(conn)

    def _make_room(self) -> None:
        """Close the connection that has been idle longest, if there are too many."""
        waiting = next(iter(self.keepalived_conns or self._heads), None)
        if self.nr_conns < self.worker_connections or waiting is None:
            return
        if waiting in self.keepalived_conns:
            self.keepalived_conns.remove(waiting)
        self._drop(waiting)

    def _refuse(self, conn: TConn, error: ParseException) -> None:
        self._forget(conn)
        self.handle_error(None, conn.sock, conn.client, error)
        self._linger(conn)

    def _linger(self, conn: TConn) -> None:
        """Say that nothing more will be sent, and wait a moment for the client to close (RFC 9112, section 9.6)."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            conn.timeout = time.monotonic() + LINGER_S
            self._watch(conn, self._discard)
            self._lingering[conn] = None
        except (OSError, ValueError):  # the client has gone, or the socket is closed
            self._drop(conn)

    def _discard(self, conn: TConn) -> None:
        if conn not in self._lingering:
            return
        try:
            gone = not conn.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self._drop(conn)

    def _watch(self, conn: TConn, then: Callable[[TConn], None]) -> None:
        """Call `then` when something has come."""
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: then(conn))

    def _forget(self, conn: TConn) -> None:
        """Await nothing more of a connection."""
        self._heads.pop(conn, None)
        self._lingering.pop(conn, None)
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)

    def _drop(self, conn: TConn) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()
