"""Work on what clients send, in processes of its own: one that takes too much time or memory is killed and replaced.

The service itself isn't slowed down or ended by such work. A process handles one call at a time. It holds no Keras and
no database. Calls and results are pickled, as between any processes of one program; what a client sent is passed as
open files.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from werkzeug.exceptions import TooManyRequests

from app.jobs.callee import FILES_AT_ONCE
from data_prep.errors import InputOverLimit, MalformedInput

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
CALLEE = "app.jobs.callee"
# At most this many calls at one time. More would only make each of them slower.
PROCESSES = 2
# Bytes beyond what an idle process takes. The largest study unpacks to 2 GB, and its volume has half of one.
MEMORY = 4 << 30
# The largest study takes about 20 seconds.
SECONDS = 60.0
# A request that waits takes one of the service's threads, which health checks need, too.
WAIT_S, RETRY_AFTER_S = 10.0, 5
# Importing everything on a busy machine with a slow disk.
START_S = 60.0
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
            TooManyRequests: other calls take so long that this one hasn't begun after `WAIT_S`.
            InputOverLimit: the call takes too much time or memory.
            MalformedInput: the process crashed.
            Exception: what the function raises.
        """
        with self._slot(), self._process() as process:
            outcome: Result | Exception = process.call((function, arguments), files)
        if isinstance(outcome, MemoryError):
            raise InputOverLimit(
                f"Reading the study takes more than {self._memory >> 20} MB of memory: send fewer series."
            )
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=WAIT_S):
            raise TooManyRequests("Other studies are still being read.", retry_after=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._slots.release()

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
        return _Process(self._memory, self._seconds, self._preload)


class _Process:
    """One process. It ends when the other end of its socket is closed."""

    def __init__(self, memory: int, seconds: float, preload: str) -> None:
        self._seconds = seconds
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", CALLEE, str(theirs.fileno()), str(memory), str(seconds), preload]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT, env=os.environ | ONE_THREAD
            )
        self._connection = Connection(os.dup(self._socket.fileno()))
        self._ready = False
        self.lives = True

    def has_ended(self) -> bool:
        """Whether it has ended while it was idle."""
        return self._process.poll() is not None

    def call(self, call: object, files: Sequence[BinaryIO]) -> Any:
        """The result or the exception of a call."""
        self._wait_until_ready()
        try:
            self._connection.send((call, len(files)))
            for some in _portions([_handle(file) for file in files]):
                socket.send_fds(self._socket, [b"."], some)
            if not self._connection.poll(self._seconds):
                self.kill()
                return InputOverLimit(f"Reading the study takes more than {self._seconds:g} s: send fewer series.")
            outcome, self.lives = self._connection.recv()
        except (EOFError, ConnectionError):
            self.kill()
            return MalformedInput("Reading the study crashes the process that reads it.")
        if not self.lives:
            self.kill()
        return outcome

    def _wait_until_ready(self) -> None:
        """Wait for its imports, which don't count as the call's time."""
        if self._ready:
            return
        with suppress(EOFError, ConnectionError):
            self._ready = self._connection.poll(START_S) and self._connection.recv()
        if not self._ready:
            raise RuntimeError("a process for reading studies can't start")

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
