"""Starts a service in a separate process, and sends it HTTP requests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

CONFIGURATION = Path(__file__).parent / "gunicorn.conf.py"
# Importing TensorFlow for the first time on a slow disk takes a minute.
START_S, STOP_S, ANSWER_S = 180.0, 40.0, 120.0
INTERRUPTS = signal.SIGINT, signal.SIGTERM


class ServiceError(Exception):
    """The service didn't do what it was asked to do. The message quotes its response or its log."""


class RunningService:
    """gunicorn on a loopback port.

    Attributes:
        process: The process of gunicorn.
        port: The port that it listens on.
        log: The file that it writes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the response. An iterable is sent in chunks."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """The body of a response with status 200 or 201. Raises ServiceError for any other status."""
        status, content = self.request(method, path, body, headers)
        if status not in (200, 201):
            raise ServiceError(f"{method} {path} gave {status}: {content.decode(errors='replace')}")
        return content

    def wait_until_ready(self) -> None:
        """Return when the model has reproduced its golden answer. Raises ServiceError if it doesn't."""
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"the service didn't start. It said:\n{self.log.read_text()}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False


@contextmanager
def serving(bundle: Path, scratch: Path, port: int = 0, **variables: str) -> Iterator[RunningService]:
    """Start a service, and stop it when the block ends.

    Args:
        bundle: Folder of the bundle to serve.
        scratch: A folder for its results (`var`) and its log.
        port: The port that it listens on; 0: a free one.
        variables: Additional environment variables.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = port or probe.getsockname()[1]
    ours = {"CRUCIATE_BUNDLES": str(bundle), "CRUCIATE_DATA": str(scratch / "var"), "CRUCIATE_API_KEYS": ""}
    environment = os.environ | ours | {"CRUCIATE_HOST": "127.0.0.1", "PORT": str(port)} | variables
    log = scratch / "service.log"
    # Interrupts are blocked until the `try` below can stop the service. Otherwise the service could stay running.
    _hold_interrupts()
    try:
        process = started(environment, log)
        try:
            _let_interrupts()
            yield RunningService(process, port, log)
        finally:
            _stop(process)
    finally:
        _let_interrupts()


def started(environment: dict[str, str], log: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start gunicorn in a session of its own, with more words on its command line."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", str(CONFIGURATION), *words],
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            preexec_fn=_let_interrupts,
        )


def _hold_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)


def _let_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
