"""The other end of `app.jobs.apart`: a process that answers one call after another until its socket is closed."""

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

from data_prep.dicom.quiet import ignore_pydicom_warnings

# A process that keeps more bytes than this after a call is replaced.
KEPT = 512 << 20
# A message can carry 253 open files (SCM_MAX_FD).
FILES_AT_ONCE = 200
# The service kills a process that takes too long. If the service has died, the process ends this much later by itself.
LATE_S = 2.0
# If the machine runs out of memory, one of these processes should be killed, not the service.
OOM_SCORE = "500"


def main(handle: int, memory: int, seconds: float, preload: str) -> None:
    """Answer calls until the service closes its end of the socket."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the service, which then closes its end
        signal.signal(number, signal.SIG_IGN)
    ours = socket.socket(fileno=handle)
    connection = Connection(os.dup(handle))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    ignore_pydicom_warnings()
    import_module(preload)
    _, idle = _memory_pages()
    _limit_memory(memory)
    connection.send(True)
    with suppress(EOFError, ConnectionError):
        while True:
            (function, arguments), count = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, seconds + LATE_S)
            outcome = _called(function, arguments, _received(ours, count))
            signal.setitimer(signal.ITIMER_REAL, 0)
            _, kept = _memory_pages()
            stays = not isinstance(outcome, MemoryError) and (kept - idle) * resource.getpagesize() < KEPT
            connection.send((outcome, stays))
            if not stays:
                return


def _received(ours: socket.socket, count: int) -> list[BinaryIO]:
    handles: list[int] = []
    while len(handles) < count:
        handles += socket.recv_fds(ours, 1, FILES_AT_ONCE)[1]
    return [os.fdopen(handle, "r+b") for handle in handles]


def _called(function: Callable[..., Any], arguments: tuple[Any, ...], files: list[BinaryIO]) -> Any:
    """The result, or the exception without its traceback, which holds what the client sent."""
    try:
        return function(files, *arguments)
    except Exception as error:
        return error.with_traceback(None)
    finally:
        for file in files:
            file.close()


def _limit_memory(memory: int) -> None:
    """From now on, the process may take this many bytes more. Without /proc (macOS) there is no limit."""
    virtual, _ = _memory_pages()
    if virtual:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (virtual * resource.getpagesize() + memory, most))


def _memory_pages() -> tuple[int, int]:
    """Pages of address space and of memory that this process takes; 0 if that isn't known."""
    try:
        virtual, resident, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    return int(virtual), int(resident)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
