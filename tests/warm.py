"""Python commands that start at once: processes forked from one that has imported Keras, the service and training.

Importing them takes most of a command's start, and tests start dozens of commands. Nothing of TensorFlow has run in
that process yet, so it has no threads that a fork would lose. Tests of the start itself start real commands.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import app.client
from app.apart import pool
from app.client import CONFIGURATION, RunningService
from tests import readers

CONTEXT = multiprocessing.get_context("forkserver")
IMPORTED = ("models.predictor", "gunicorn.app.wsgiapp", "app.server.worker", "app.factory", "app.dimse.listener")
CONTEXT.set_forkserver_preload(["tests.warm", *IMPORTED, "training.train"])
NOWHERE = Path(os.devnull)
# How users start a service.
COLD = app.client.started


class Forked:
    """What tests use of `subprocess.Popen`, for `python` with these arguments. It isn't a child of this process.

    Args:
        arguments: `-m`, a module and its arguments; or `-c` and code.
        environment: All of its environment variables; None: those of this process.
        out: The file to which its standard output is appended.
        err: The same for standard error.
        at: Where `tests.readers` listens, if it starts the processes that read what clients send.
        first: What the process calls first. With it, services that it starts are copies of it.
    """

    context: Any = CONTEXT

    def __init__(
        self,
        arguments: Sequence[str],
        environment: dict[str, str] | None = None,
        out: Path = NOWHERE,
        err: Path = NOWHERE,
        at: str = "",
        first: Callable[[], None] | None = None,
    ) -> None:
        self.args = arguments
        environment = dict(os.environ) if environment is None else environment
        self._process = self.context.Process(target=_be, args=(arguments, environment, out, err, at, first))
        self._process.start()
        self.pid, self.terminate, self.kill = self._process.pid, self._process.terminate, self._process.kill

    @property
    def returncode(self) -> int | None:
        """Exit status, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same, after its end. Raises subprocess.TimeoutExpired after so many seconds."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode


def run(
    *arguments: str,
    environment: dict[str, str] | None = None,
    first: Callable[[], None] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python` with these arguments to its end, as `subprocess.run` does."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = Forked(arguments, environment, out, err, _readers(), first)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


def service(environment: dict[str, str], log: Path, *words: str) -> Forked:
    """Start gunicorn. It stands in for `app.client.started`."""
    return Forked(["-m", "gunicorn", "--config", str(CONFIGURATION), *words], environment, log, log, _readers())


def kill(service: RunningService) -> None:
    """Kill all of a service at once, and wait until nothing of it is left: its port is free again."""
    os.killpg(service.process.pid, signal.SIGKILL)
    service.process.wait()
    with suppress(ProcessLookupError):
        while True:
            os.killpg(service.process.pid, 0)
            time.sleep(0.01)


def _readers() -> str:
    return readers.address() if pool.started is readers.started else ""


def _be(
    arguments: Sequence[str],
    environment: dict[str, str],
    out: Path,
    err: Path,
    at: str,
    first: Callable[[], None] | None,
) -> None:
    """Be the process that would have been started."""
    if at:
        readers.use(at)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for stream, path in enumerate((out, err), start=1):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(handle, stream)
        os.close(handle)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    if first:
        first()
        app.client.started, Forked.context = service, multiprocessing.get_context("fork")
    kind, code, *words = arguments
    sys.argv = [code if kind == "-m" else "-c", *words]
    try:
        if kind == "-m":
            runpy.run_module(code, run_name="__main__", alter_sys=True)
        else:
            exec(code, {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
