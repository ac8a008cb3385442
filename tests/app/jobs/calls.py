"""What tests let another process do. It imports this file, so the file imports little."""

import os
import signal
import time

from data_prep.errors import UnsuitableStudy


def content(files, number: int) -> bytes:
    """What the file of this number holds."""
    files[number].seek(0)
    return files[number].read()


def process_id(files) -> int:
    return os.getpid()


def lengths(files) -> int:
    """How much all files hold."""
    return sum(len(content(files, number)) for number in range(len(files)))


def wait(files, seconds: float) -> None:
    time.sleep(seconds)


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


KEPT: list[bytes] = []
