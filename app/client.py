"""A service of one's own, in a process of its own, and the few lines of HTTP that it takes to use it."""

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
    """The service didn't do what it was asked; the message quotes it."""


class RunningService:
    """gunicorn on a port of loopback. log: the file that it writes to."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the response; an iterable travels in chunks."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """The body of a good response; ServiceError for any other."""
        status, content = self.request(method, path, body, headers)
        if status not in (200, 201):
            raise ServiceError(f"{method} {path} gave {status}: {content.decode(errors='replace')}")
        return content

    def wait_until_ready(self) -> None:
        """Return as soon as the model has reproduced its golden answer; ServiceError if it never does."""
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
def serving(bundle: Path, scratch: Path, **variables: str) -> Iterator[RunningService]:
    """A service that starts at once and is gone when the block ends.

    scratch: a folder for its results (`var`) and its log. variables: of its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {"CRUCIATE_BUNDLES": str(bundle), "CRUCIATE_DATA": str(scratch / "var"), "CRUCIATE_API_KEYS": ""}
    environment = os.environ | ours | {"CRUCIATE_HOST": "127.0.0.1", "PORT": str(port)} | variables
    log = scratch / "service.log"
    command = [sys.executable, "-m", "gunicorn", "--config", str(CONFIGURATION)]
    # No interrupt between the service's birth and our knowing of it: it waits until the service would be stopped.
    _hold_interrupts()
    try:
        with log.open("ab") as stream:
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                preexec_fn=_let_interrupts,
            )
        try:
            _let_interrupts()
            yield RunningService(process, port, log)
        finally:
            _stop(process)
    finally:
        _let_interrupts()


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
