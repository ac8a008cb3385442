"""Work on what clients send, in processes of its own: one that takes too much time or memory is killed and replaced.

The service itself isn't slowed down or ended by such work. A process handles one call at a time, in a copy of itself if
C code may be taken over by what it reads. It holds no Keras and no database. Calls and answers are JSON
(app/apart/messages.py), so a process that a file has taken over can't let the service execute anything. Large data is
passed as open files. A process that answers anything else is killed. Each call has a connection of its own for its
answer, so a copy that stays alive can't answer another call.
"""

import atexit
import errno
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from pydantic import TypeAdapter
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from app.apart.callee import FILE_BYTES, FILES_AT_ONCE
from app.apart.messages import Call, Raised, Returned, receive, send
from app.apart.processor import TICK_S, used_s
from data_prep.errors import InputError, InputOverLimit, MalformedInput

Result = TypeVar("Result")

LOG = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
CALLEE = "app.apart.callee"
# At most this many calls at one time. More would only make each of them slower.
PROCESSES = 2
# Bytes beyond what an idle process takes. The largest study unpacks to 2 GB, and its volume has half of one.
MEMORY = 4 << 30
# The largest study takes about 20 seconds.
SECONDS = 60.0
# A request that waits takes one of the service's threads, which others need.
WAIT_S, RETRY_AFTER_S = 10.0, 5
# Importing everything on a busy machine with a slow disk.
START_S = 60.0
# Seconds in which a process that has closed its end is gone, and in which a call's copy is gone after its answer.
END_S = 5.0
# Seconds between two looks at a process that doesn't answer yet, and after which one that hasn't worked is given up.
LOOK_S, STALLED_S = 1.0, 15.0
# A process that has used less than this part of its time was stopped, or waited for the machine.
WORKED = 0.5
KILLED = "The process that reads studies was killed. Send the study again in a moment."
STALLED = "The process that reads studies was stopped, or this machine is too busy. Send the study again in a moment."
WELL = "0"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")


class Pool:
    """Processes for calls that may take too much.

    Args:
        memory: bytes that a call may take.
        seconds: time that a call may take, by the clock.
        preload: the module that a process imports before its first call.
        what: what a call does, for the sentence about one that takes too much.
        advice: what to do about it, the end of that sentence.
        wait_s: how long a call may wait before it begins.
        crowded_s: the same while `PROCESSES` others wait already.
        copied: whether a call is done in a copy of a process, if the call doesn't say. Without it, a process does many.
    """

    def __init__(
        self,
        memory: int = MEMORY,
        seconds: float = SECONDS,
        preload: str = "app.jobs.reading",
        what: str = "Reading the study",
        advice: str = ": send fewer series",
        wait_s: float = WAIT_S,
        crowded_s: float = WAIT_S,
        copied: bool = True,
    ) -> None:
        self._what, self._advice = what, advice
        self._memory, self._seconds, self._preload, self._copied = memory, seconds, preload, copied
        self._slots, self._places = threading.BoundedSemaphore(PROCESSES), threading.BoundedSemaphore(PROCESSES)
        self._wait_s, self._crowded_s = wait_s, crowded_s
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

    def call(
        self,
        answer: type[Result],
        function: Callable[..., object],
        *arguments: Any,
        files: Sequence[BinaryIO] = (),
        has_begun: bool = False,
        copied: bool | None = None,
    ) -> Result:
        """Call `function(files, *arguments)` in a process, with the open files.

        Args:
            answer: The type of the result, which pydantic checks.
            function: a function of a module.
            arguments: its other arguments, values of JSON.
            files: open files of the operating system.
            has_begun: whether the call belongs to an answer that has begun. It may wait for `WAIT_S`.
            copied: whether it is done in a copy of a process; None: as the pool does it.

        Raises:
            ServiceUnavailable: somebody killed or stopped the process, or it can't start. The files aren't to blame.
            TooManyRequests: other calls take so long that this one hasn't begun after `wait_s` or `crowded_s`.
            InputOverLimit: the call takes too much time or memory, or writes too large a file.
            MalformedInput: the process crashed, or answered anything else than the type says.
            Failed: the function raises an unexpected exception.
            InputError, HTTPException, OSError: what the function raises.
        """
        call = Call(
            module=function.__module__,
            function=function.__qualname__,
            arguments=list(arguments),
            files=len(files),
            copied=self._copied if copied is None else copied,
        )
        with self._slot(has_begun), self._process() as process:
            outcome: Returned[Result] | Raised = process.call(call, files, _outcomes(cast(Hashable, answer)))
        if isinstance(outcome, Returned):
            return outcome.result
        error = outcome.exception()
        if isinstance(error, MemoryError):
            raise InputOverLimit(f"{self._what} takes more than {self._memory >> 20} MB of memory{self._advice}.")
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            raise InputOverLimit(f"{self._what} takes more than {FILE_BYTES >> 20} MB of disk{self._advice}.")
        raise error

    @contextmanager
    def _slot(self, has_begun: bool) -> Iterator[None]:
        if not (self._slots.acquire(timeout=WAIT_S) if has_begun else self._wait()):
            raise TooManyRequests("Other studies are still being read.", retry_after=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._slots.release()

    def _wait(self) -> bool:
        """Whether a call may begin, at once or after another one's end."""
        if self._slots.acquire(blocking=False):
            return True
        if not self._places.acquire(blocking=False):
            return self._slots.acquire(timeout=self._crowded_s)
        try:
            return self._slots.acquire(timeout=self._wait_s)
        finally:
            self._places.release()

    @contextmanager
    def _process(self) -> Iterator["_Process"]:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is not None and not process.is_fit():
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
        options = str(self._memory), str(self._seconds), self._preload
        return _Process(options, self._seconds, self._what, self._advice)


class _Process:
    """One process. It ends when the other end of its socket is closed."""

    def __init__(self, options: Sequence[str], seconds: float, what: str, advice: str) -> None:
        self._seconds, self._what, self._advice = seconds, what, advice
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = started(theirs, options)
        self._starts, self._waits = True, False
        self.lives = True

    def is_fit(self) -> bool:
        """Whether it can have a call: it is starting, or has ended its last one well and says nothing else."""
        if self._process.poll() is not None:
            return False
        if self._starts:
            return True
        return self._ended(END_S) == WELL and not select.select([self._socket], [], [], 0)[0]

    def call(self, call: Call, files: Sequence[BinaryIO], expected: TypeAdapter[Any]) -> Any:
        """The answer to a call. Raises InputError if there is no valid one."""
        self._wait_until_ready()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send(call, [theirs.fileno(), *map(_handle, files)])
            outcome = self._answer(ours, expected)
        self.lives = outcome.stays
        if not self.lives:
            self.kill()
        return outcome

    def _send(self, call: Call, handles: Sequence[int]) -> None:
        self._waits = False
        try:
            self._socket.settimeout(STALLED_S)
            send(self._socket, call.model_dump_json().encode())
            for some in _portions(handles):
                socket.send_fds(self._socket, [b"."], some)
        except (TimeoutError, ConnectionError):
            raise _stalled() from None

    def _answer(self, ours: socket.socket, expected: TypeAdapter[Any]) -> Any:
        until = time.monotonic() + self._seconds
        try:
            self._wait_for(ours, self._process.pid, until)
            worker = int(receive(ours, END_S))
            self._wait_for(ours, worker, until)
            return expected.validate_json(receive(ours, max(until - time.monotonic(), LOOK_S)))
        except InputError:
            raise
        except EOFError:
            if self._was_killed():
                raise ServiceUnavailable(KILLED, retry_after=RETRY_AFTER_S) from None
            raise MalformedInput(f"{self._what} crashes the process that reads it.") from None
        except (ConnectionError, TimeoutError, ValueError):  # also pydantic's; what it quotes isn't logged
            LOG.error("a process that reads studies gave an invalid answer and was ended")
            raise MalformedInput(f"{self._what} breaks the process that reads it.") from None

    def _wait_for(self, ours: socket.socket, worker: int, until: float) -> None:
        """Wait until this process, or a copy of it, begins to say something.

        Raises:
            InputOverLimit: It has worked for too long.
            ServiceUnavailable: It hasn't worked: it was stopped, or got no time from the machine.
        """
        begun_s = last_s = used_s(worker)
        since = time.monotonic()
        while not select.select([ours], [], [], max(min(LOOK_S, until - time.monotonic()), 0))[0]:
            now, now_s = time.monotonic(), used_s(worker)
            if now >= until:
                worked_s = None if begun_s is None or now_s is None else now_s - begun_s + TICK_S
                if worked_s is not None and worked_s < WORKED * self._seconds:
                    raise _stalled()
                raise InputOverLimit(f"{self._what} takes more than {self._seconds:g} s{self._advice}.")
            if now_s is None or now_s != last_s:
                last_s, since = now_s, now
            elif now - since > STALLED_S:
                raise _stalled()

    def _wait_until_ready(self) -> None:
        """Wait for its imports, which don't count as the call's time."""
        if self._ended(START_S if self._starts else END_S) == WELL:
            self._starts = False
            return
        LOG.error("a process for reading studies can't start")
        raise ServiceUnavailable("Studies can't be read now. Send the study again.", retry_after=RETRY_AFTER_S)

    def _ended(self, seconds: float) -> str:
        """How its last call has ended, `WELL` at the start; another word if it doesn't say so."""
        if not self._waits:
            with suppress(EOFError, ConnectionError, TimeoutError, ValueError):
                said = receive(self._socket, seconds).decode("ascii")
                self._waits = said == WELL
                return said
        return WELL if self._waits else ""

    def _was_killed(self) -> bool:
        """Whether somebody else killed it or its copy, such as a kernel that has no memory left."""
        if ended := self._ended(END_S):
            return ended == str(-signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_S) == -signal.SIGKILL
        return False

    def kill(self) -> None:
        """End it, whatever it is doing. Its copy ends with it."""
        self.lives = False
        self._process.kill()
        self._process.wait()
        self._socket.close()


def started(theirs: socket.socket, options: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a process that answers at this end of a socket. Options are the arguments of `app.apart.callee`."""
    return subprocess.Popen(
        [sys.executable, "-m", CALLEE, str(theirs.fileno()), *options],
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
    )


def _stalled() -> ServiceUnavailable:
    return ServiceUnavailable(STALLED, retry_after=RETRY_AFTER_S)


@cache
def _outcomes(answer: Any) -> TypeAdapter[Any]:
    """Checks what a process answers: a result of this type, or an exception."""
    return TypeAdapter(Returned[answer] | Raised)


def _handle(file: BinaryIO) -> int:
    """The file's number in this process, after everything is written to it."""
    handle = file.fileno()  # moves a spooled file to the disk
    file.flush()
    return handle


def _portions(handles: Sequence[int]) -> Iterator[Sequence[int]]:
    return (handles[start : start + FILES_AT_ONCE] for start in range(0, len(handles), FILES_AT_ONCE))
