"""A reserve gives its space away on a full disk only, and takes it again later."""

import os
import subprocess
from pathlib import Path

import pytest

from app.store.disk.reserve import RESERVED, Reserve


@pytest.fixture
def disk(tmp_path):
    """A disk of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a disk can't be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def test_space_is_given_away_when_the_disk_is_full_and_taken_again_later(disk):
    reserve, other = Reserve(disk / "reserve"), disk / "other"
    reserve.offer()
    assert free(disk) == 3 * RESERVED
    assert (disk / "reserve").stat().st_mode & 0o777 == 0o600
    other.write_bytes(bytes(3 * RESERVED))
    reserve.offer()
    assert free(disk) == RESERVED
    reserve.offer()  # nothing to give any more, and not enough to take
    assert free(disk) == RESERVED
    other.unlink()
    reserve.offer()
    assert free(disk) == 3 * RESERVED


def test_a_disk_that_was_always_nearly_full_keeps_what_it_has(disk):
    (disk / "other").write_bytes(bytes(5 * RESERVED // 2))
    Reserve(disk / "reserve").offer()
    assert not (disk / "reserve").exists()


def test_a_folder_that_is_missing_is_no_error(tmp_path):
    Reserve(tmp_path / "missing" / "reserve").offer()
    assert list(tmp_path.iterdir()) == []
