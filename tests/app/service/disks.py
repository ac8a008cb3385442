"""Small disks for tests that fill them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest


@cache
def _may_mount() -> bool:
    """Whether this process may mount a file system, tried in a name space of its own."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    try:
        return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


only_as_root = pytest.mark.skipif(not _may_mount(), reason="this process may not mount a file system")


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system in memory, with this size, at a new folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
