"""Work on what clients send, in processes of its own: one that takes too much time or memory is killed and replaced.

The service itself isn't slowed down or ended by such work. A process handles one call at a time. It holds no Keras and
no database. Calls and results are pickled, as between any processes of one program; what a client sent is passed as
open files.
"""

import atexit
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.errors import InputError, InputOverLimit, MalformedInput

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
# At most this many calls at one time. More would only make each of them slower.
PROCESSES = 2
# Bytes beyond what an idle process takes. The largest study unpacks to 2 GB, and its volume has half of one.
MEMORY = 4 << 30
# The largest study takes about 20 seconds.
SECONDS = 60.0
# Importing everything on a busy machine with a slow disk.
START_S = 60.0
# A process that keeps more bytes than this after a call is replaced.
KEPT = 512 << 20
# A message can carry 253 open files (SCM_MAX_FD).
FILES_AT_ONCE = 200
# If the machine runs out of memory, one of these processes should be killed, not the service.
OOM_SCORE = "500"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")


class Pool:
    """Processes for calls that may take too much.

    Args:
        memory: bytes that a call may take.
        seconds: time that a call may take.
        preload: the module that a process imports before its first call.
    """

    def __init__(self, memory: int = MEMORY, seconds: float = SECONDS, preload: str = "app.jobs.decoding") -> None:
        self._memory, self._seconds, self._preload = memory, seconds, preload
        self._slots = threading.BoundedSemaphore(PROCESSES)
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        atexit.register(self.close)

    def start(self) -> None:
        """Start one process, if there is none; returns at once. The others start when they are needed."""
        with self._lock:
            if not self._idle:
                self._idle.append(self._new())

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            while self._idle:
                self._idle.pop().kill()

    def call(self, function: Callable[..., Result], *arguments: Any, files: Sequence[BinaryIO] = ()) -> Result:
        """Call `function(files, *arguments)` in a process, with the open files.

        Args:
            function: a function of a module.
            arguments: its other arguments.
            files: open files of the operating system.

        Raises:
            InputOverLimit: the call takes too much time or memory.
            MalformedInput: the process crashed.
            Exception: what the function raises.
        """
        with self._slots, self._process() as process:
            outcome: Result | Exception = process.call((function, arguments), files, self._seconds)
        if isinstance(outcome, MemoryError):
            raise InputOverLimit(
                f"Reading the study takes more than {self._memory >> 20} MB of memory: send fewer series."
            )
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @contextmanager
    def _process(self) -> Iterator["_Process"]:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is not None and process.has_ended():
            process.kill()
            process = None
        process = process or self._new()
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        if process.lives:
            with self._lock:
                self._idle.append(process)

    def _new(self) -> "_Process":
        return _Process(self._memory, self._preload)


class _Process:
    """One process. It ends when the other end of its socket is closed."""

    def __init__(self, memory: int, preload: str) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(memory), preload]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT, env=os.environ | ONE_THREAD
            )
        self._connection = Connection(os.dup(self._socket.fileno()))
        self._ready = False
        self.lives = True

    def has_ended(self) -> bool:
        """Whether it has ended while it was idle."""
        return self._process.poll() is not None

    def call(self, call: object, files: Sequence[BinaryIO], seconds: float) -> Any:
        """The result or the exception of a call."""
        try:
            self._wait_until_ready()
            self._connection.send((call, len(files)))
            for some in _portions([_handle(file) for file in files]):
                socket.send_fds(self._socket, [b"."], some)
            if not self._connection.poll(seconds):
                self.kill()
                return InputOverLimit(f"Reading the study takes more than {seconds:g} s: send fewer series.")
            outcome, self.lives = self._connection.recv()
        except (EOFError, ConnectionError):
            self.kill()
            return MalformedInput("Reading the study crashes the process that reads it.")
        if not self.lives:
            self.kill()
        return outcome

    def _wait_until_ready(self) -> None:
        """Wait for its imports, which don't count as the call's time."""
        if not self._ready and not self._connection.poll(START_S):
            raise TimeoutError("a process for reading studies doesn't start")
        self._ready = self._ready or self._connection.recv()

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self.lives = False
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._socket.close()


def _handle(file: BinaryIO) -> int:
    """The file's number in this process, after everything is written to it."""
    handle = file.fileno()  # moves a spooled file to the disk
    file.flush()
    return handle


def _portions(handles: Sequence[int]) -> Iterator[Sequence[int]]:
    return (handles[start : start + FILES_AT_ONCE] for start in range(0, len(handles), FILES_AT_ONCE))


def main(handle: int, memory: int, preload: str) -> None:
    """Answer calls until the service closes its end of the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which then closes its end
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
            outcome = _called(function, arguments, _received(ours, count))
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
    except InputError as error:
        return error.with_traceback(None)
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
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
