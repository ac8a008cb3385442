"""The other end of `app.apart.pool`: a process that answers one call after another until its socket is closed.

Calls whose code may be taken over by what it reads, such as decoders in C, are done in a copy of the process that ends
with the call (`fork`): what one study has done to it can't reach another one. A copy takes milliseconds, because
everything is imported already.
"""

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.apart.messages import Call, Raised, Returned, receive, send
from app.contract.problems import log_unexpected
from data_prep.dicom.quiet import ignore_pydicom_warnings

# A process that keeps more bytes than this after a call is replaced.
KEPT = 512 << 20
# Bytes of a file that a call writes: the largest volume, and the largest instance, have as many.
FILE_BYTES = 512 << 20
# A message can carry 253 open files (SCM_MAX_FD).
FILES_AT_ONCE = 200
# The service kills a process that takes too long. If the service has died, the process ends this much later by itself.
LATE_S = 2.0
# If the machine runs out of memory, one of these processes should be killed, not the service.
OOM_SCORE = "500"
PR_SET_PDEATHSIG = 1  # prctl(2)


class Limits(NamedTuple):
    """What a call may take: bytes of memory beyond those of the idle process, and seconds."""

    memory: int
    seconds: float


def main(handle: int, limits: Limits, preload: str) -> None:
    """Answer calls until the service closes its end of the socket.

    Before each call it says how the one before has ended: 0, or the exit status of the copy, negative for a signal.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the service, which then closes its end
        signal.signal(number, signal.SIG_IGN)
    ours = socket.socket(fileno=handle)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    ignore_pydicom_warnings()
    import_module(preload)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _, idle = _memory_pages()
    gc.freeze()  # a copy that collects garbage would copy every page
    ended: int | None = 0
    with suppress(EOFError, ConnectionError):
        while ended is not None:
            send(ours, str(ended).encode())
            call = Call.model_validate_json(receive(ours))
            theirs, *handles = _received(ours, call.files + 1)
            with socket.socket(fileno=theirs) as answers:
                if call.copied:
                    ended = _in_a_copy(ours, answers, call, handles, limits)
                else:
                    ended = 0 if _answer(answers, call, handles, limits, idle) else None


def _in_a_copy(ours: socket.socket, answers: socket.socket, call: Call, handles: list[int], limits: Limits) -> int:
    """Answer a call in a copy of this process. Returns its exit status."""
    parent = os.getpid()
    try:
        copy = os.fork()
    except OSError:  # no memory for it: as if the system had killed this process
        os.kill(parent, signal.SIGKILL)
        raise
    if copy == 0:
        try:
            ours.close()
            _end_with(parent)
            _answer(answers, call, handles, limits)
            os._exit(0)
        finally:
            os._exit(1)
    answers.close()  # its end is the end of the copy then
    for handle in handles:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


def _answer(answers: socket.socket, call: Call, handles: list[int], limits: Limits, idle: int | None = None) -> bool:
    """Say which process answers, then answer. Returns whether the process may answer further calls."""
    send(answers, str(os.getpid()).encode())
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    _limit_memory(limits.memory)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + LATE_S)
    outcome = _called(call, [os.fdopen(handle, "r+b") for handle in handles])
    signal.setitimer(signal.ITIMER_REAL, 0)
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
    if idle is None:  # a copy ends anyway
        outcome.stays = True
    else:
        _, kept = _memory_pages()
        outcome.stays = outcome.stays and (kept - idle) * resource.getpagesize() < KEPT
    send(answers, outcome.model_dump_json().encode())
    return outcome.stays


def _received(ours: socket.socket, count: int) -> list[int]:
    """The next open files."""
    handles: list[int] = []
    while len(handles) < count:
        found = socket.recv_fds(ours, 1, FILES_AT_ONCE)[1]
        if not found:
            raise EOFError
        handles += found
    return handles


def _called(call: Call, files: list[BinaryIO]) -> Returned[object] | Raised:
    """The result or the exception."""
    try:
        function = getattr(import_module(call.module), call.function)
        return Returned[object](stays=True, result=function(files, *call.arguments))
    except Exception as error:
        if not Raised.is_expected(error):
            log_unexpected(error)  # here, because a traceback isn't passed on
        return Raised.of(error, stays=not isinstance(error, MemoryError))
    finally:
        for file in files:
            with suppress(OSError):  # closing writes the rest, which may be too much
                file.close()


def _end_with(parent: int) -> None:
    """Let the system kill this process when its parent ends. Without prctl (macOS), only the timer ends it then."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def _limit_memory(memory: int) -> None:
    """From now on, the process may take this many bytes more. Without /proc (macOS) there is no limit."""
    virtual, _ = _memory_pages()
    if virtual:
        _limit(resource.RLIMIT_AS, virtual * resource.getpagesize() + memory)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _memory_pages() -> tuple[int, int]:
    """Pages of address space and of memory that this process takes; 0 if that isn't known."""
    try:
        virtual, resident, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    return int(virtual), int(resident)


if __name__ == "__main__":
    main(int(sys.argv[1]), Limits(int(sys.argv[2]), float(sys.argv[3])), sys.argv[4])
