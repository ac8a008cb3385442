"""What tests let another process do. It imports this file, so the file imports little."""

import errno
import os
import pickle
import signal
import socket
import stat
import struct
import sys
import time
from pathlib import Path
from typing import NoReturn

from werkzeug.exceptions import BadRequest, NotFound

from data_prep.errors import UnsuitableStudy

# Before a call, and so before there are copies.
IMPORTED_IN = os.getpid()


def content(files, number: int) -> str:
    """What the file of this number holds."""
    files[number].seek(0)
    return files[number].read().decode()


def process_id(files) -> int:
    return os.getpid()


def parent_id(files) -> int:
    """The process that isn't a copy."""
    return IMPORTED_IN


def lengths(files) -> int:
    """How much all files hold."""
    return sum(len(content(files, number)) for number in range(len(files)))


def ask(files) -> None:
    raise BadRequest("Ask for fewer.")


def wait(files, seconds: float) -> None:
    time.sleep(seconds)


def work(files, seconds: float) -> None:
    """Use the processor."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def write(files, size: int) -> None:
    """A sparse file, so that the disk isn't filled."""
    files[0].truncate(size)


def stay(files) -> int:
    """As a process that was taken over may: it goes on after its answer, with all that it was given."""
    send = [socket.socket(fileno=handle) for handle in connections()][-1]
    said = f'{{"stays":true,"result":{os.getpid()}}}'.encode()
    send.sendall(framed(said))
    time.sleep(60)
    return 0


def connections() -> list[int]:
    """The sockets of this process, except the one that calls come by."""
    open_ = (int(path.name) for path in Path("/proc/self/fd").iterdir())
    return sorted(handle for handle in open_ if handle not in (0, 1, 2, int(sys.argv[1])) and is_socket(handle))


def is_socket(handle: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(handle).st_mode)
    except OSError:
        return False


def allocate(files, size: int) -> int:
    return len(bytearray(size))


def keep(files, size: int) -> int:
    """Like a leak: the process keeps the memory."""
    KEPT.append(b"x" * size)
    return os.getpid()


def die(files, number: int = signal.SIGSEGV) -> None:
    os.kill(os.getpid(), number)


def refuse(files) -> None:
    raise UnsuitableStudy("No.", kind="odd-geometry")


def fill(files) -> None:
    raise OSError(errno.ENOSPC, "of a disk")


def miss(files) -> None:
    raise NotFound("It was deleted.")


class Planted:
    """Pickles as a command that makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def lie(files, kind: str, path: str) -> NoReturn:
    """What a process may do that a file has taken over, in place of an answer."""
    connection = socket.socket(fileno=os.dup(connections()[-1]))
    program = pickle.dumps(Planted(path))
    answer = b'{"stays":true,"result":1}'
    said = {
        "a pickle": framed(program),
        "a pickle as multiprocessing sends it": struct.pack("!i", len(program)) + program,
        "a length of 4 GB": b"\xff\xff\xff\xff" + answer,
        "half an answer": framed(answer)[:10],
        "an answer and more": framed(answer) + framed(answer),
    }
    if kind == "bytes that trickle":
        for number in range(60):
            connection.send(framed(answer)[number % 5 : number % 5 + 1] if number < 5 else b" ")
            time.sleep(0.1)
    connection.sendall(said[kind])
    time.sleep(60)
    os._exit(0)


def framed(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


KEPT: list[bytes] = []
