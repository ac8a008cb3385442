"""Watches a running service from outside: the memory of its processes, and its health."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from app.client import RunningService
from tests.app.server.raw import asked

MEMORY_S, HEALTH_S = 0.1, 1.0
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Watch:
    """Looks at a service until the block ends.

    Attributes:
        most: The most memory of all processes at one time, in kB; pages that they share count for each of them.
        peaks: The most memory of one process (VmHWM), in kB, by what it does.
        slowest_health_s: The longest wait for `/healthz`.
        unhealthy: What `/healthz` answered instead of 200.
    """

    def __init__(self, service: RunningService) -> None:
        self._service, self._over = service, threading.Event()
        self.most, self.peaks = 0, dict[str, int]()
        self.slowest_health_s, self.unhealthy = 0.0, list[str]()
        self._threads = [threading.Thread(target=self._memory), threading.Thread(target=self._health)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _memory(self) -> None:
        while not self._over.wait(MEMORY_S):
            together = 0
            for name, pid in _tree(self._service.process.pid):
                with suppress(OSError, KeyError, IndexError):  # it has just ended
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                    status = dict(line.split(":\t", 1) for line in lines)
                    together += int(status["VmRSS"].split()[0])
                    self.peaks[name] = max(self.peaks.get(name, 0), int(status["VmHWM"].split()[0]))
            self.most = max(self.most, together)

    def _health(self) -> None:
        while not self._over.wait(HEALTH_S):
            begun = time.monotonic()
            try:
                if (answer := asked(self._service.port, HEALTHZ)).status != 200:
                    self.unhealthy.append(str(answer.status))
            except (OSError, AssertionError) as error:
                self.unhealthy.append(repr(error))
            self.slowest_health_s = max(self.slowest_health_s, time.monotonic() - begun)


def _tree(pid: int, name: str = "gunicorn") -> Iterator[tuple[str, int]]:
    """The processes with what they do: gunicorn, its worker, and those that read studies."""
    yield name, pid
    with suppress(OSError):
        for child in Path("/proc").joinpath(str(pid), "task").glob("*/children"):
            for found in child.read_text().split():
                command = Path("/proc", found, "cmdline").read_bytes()
                yield from _tree(int(found), "reader" if b"app.apart.callee" in command else "worker")
