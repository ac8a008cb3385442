"""Memory and time of a process and all its descendants, and bytes of a folder, as Linux counts them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def memory_mb(pid: int) -> float:
    """Megabytes. Pages that several processes share are counted once (PSS)."""
    return sum(map(_pss_kb, _tree(pid))) / 1e3


def cpu_s(pid: int) -> float:
    """Seconds of processors, with those of descendants that have ended."""
    return sum(map(_ticks, _tree(pid))) / os.sysconf("SC_CLK_TCK")


def folder_mb(path: Path) -> float:
    """Megabytes of all files, as far as they aren't deleted meanwhile."""
    return sum(_sizes(path)) / 1e6


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _pss_kb(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1.024
    return 0.0


def _ticks(pid: int) -> int:
    with suppress(OSError):
        # What follows the name, which may have blanks (proc(5)): from the third field on.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


def _sizes(path: Path | str) -> Iterator[int]:
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(entry.path)
                else:
                    yield entry.stat(follow_symlinks=False).st_size
