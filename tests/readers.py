"""Processes of `app.apart.pool` that start at once: copies of one that has imported what they need.

Importing it takes each of them a second of a processor, and tests start hundreds. Tests of how they are started, and of
what the system says about them, have them started as the service starts them (`own_readers`).
"""

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from app.apart import callee, pool
from app.apart.messages import receive, send

# How the service starts them.
OWN = pool.started
# What the pools of the service import (`preload`).
IMPORTED = ("app.jobs.reading", "app.dicomweb.apart", "app.store.files.sent_file", "app.dimse.recoding")


class Copy:
    """What a pool uses of `subprocess.Popen`. The process isn't a child of this one."""

    def __init__(self, address: str, theirs: socket.socket, options: Sequence[str]) -> None:
        self.returncode: int | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        socket.send_fds(self._socket, [b"."], [theirs.fileno(), 1, 2])
        send(self._socket, json.dumps([list(options), dict(os.environ)]).encode())
        self.pid = int(receive(self._socket))

    def wait(self, timeout: float | None = None) -> int:
        """Exit status, or minus the signal that ended it. Raises subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None:
            if not select.select([self._socket], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a reader", timeout or 0.0)
            self.returncode = int(receive(self._socket))
            self._socket.close()
        return self.returncode

    def poll(self) -> int | None:
        """The same; None while it runs."""
        return self.wait() if self.returncode is not None or select.select([self._socket], [], [], 0)[0] else None

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, signal.SIGKILL)


def started(theirs: socket.socket, options: Sequence[str]) -> Copy:
    """Start a process for a pool. It stands in for `app.apart.pool.started`."""
    return Copy(address(), theirs, options)


def address() -> str:
    """Where the process listens that is copied. It ends with the one that has started it."""
    if not _ADDRESS:
        _ADDRESS.append(_listening())
    return _ADDRESS[0]


def use(address: str) -> None:
    """Let pools of this process start copies of the process that listens there."""
    _ADDRESS[:] = [address]
    pool.started = started


_ADDRESS: list[str] = []


def _listening() -> str:
    """Start the process that is copied."""
    folder = tempfile.mkdtemp(prefix="cruciate-readers-")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/socket")
    listener.listen()
    with listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.readers", str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            cwd=pool.ROOT,
            env=os.environ | pool.ONE_THREAD,
        )
        atexit.register(_end, process, folder)
        return listener.getsockname()


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    process.communicate()  # closes its input
    shutil.rmtree(folder)


def main(listener: socket.socket) -> None:
    """Make copies until the process that has started this one has ended."""
    for module in IMPORTED:
        import_module(module)
    gc.collect()
    gc.freeze()  # a copy that collects garbage would copy every page
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            if os.fork() == 0:
                listener.close()
                _keep(connection)


def _keep(connection: socket.socket) -> None:
    """Start a copy, and say which process it is and how it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, handles, _, _ = socket.recv_fds(connection, 1, 3)
    options, environment = json.loads(receive(connection))
    copy = os.fork()
    if copy == 0:
        connection.close()
        _be(handles, options, environment)
    for handle in handles:
        os.close(handle)
    send(connection, str(copy).encode())
    status = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    try:
        send(connection, str(status).encode())
    finally:
        os._exit(0)


def _be(handles: list[int], options: list[str], environment: dict[str, str]) -> None:
    """Be the process that would have been started."""
    status = 1
    try:
        theirs, *streams = handles
        for stream, handle in enumerate([os.open(os.devnull, os.O_RDONLY), *streams]):
            os.dup2(handle, stream)
            os.close(handle)
        os.environ.clear()
        os.environ.update(environment | pool.ONE_THREAD)
        time.tzset()
        tempfile.tempdir = None
        sys.argv = [pool.CALLEE, str(theirs), *options]
        memory, seconds, preload = options
        callee.main(theirs, callee.Limits(int(memory), float(seconds)), preload)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
