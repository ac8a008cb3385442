"""What a killed process left is deleted at once; what another one is writing never is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.store.disk.shared_folder import ABANDONED_S, SharedFolder, leftovers

WRITER = """
import sys, time
from pathlib import Path
from app.store.disk.shared_folder import SharedFolder
shared = SharedFolder(Path(sys.argv[1]))
path = next(shared.new_files())
path.write_bytes(b"half")
print(path, flush=True)
time.sleep(60)
"""


def start(folder: Path) -> tuple[subprocess.Popen, Path]:
    """A process that is writing a file, and this file."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True)
    return writer, Path(writer.stdout.readline().strip())


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_process_left_is_deleted_when_it_has_ended(tmp_path, end):
    writer, file = start(tmp_path)
    with writer:
        SharedFolder(tmp_path)
        assert file.read_bytes() == b"half"
        writer.send_signal(end)
    assert file.parent in leftovers(tmp_path)
    SharedFolder(tmp_path)
    assert not file.parent.exists()


def test_a_process_that_died_before_it_had_its_lock_is_dead(tmp_path):
    SharedFolder(tmp_path)
    (tmp_path / ".incoming" / "0123").mkdir()
    SharedFolder(tmp_path)
    assert not (tmp_path / ".incoming" / "0123").exists()


def test_folders_of_the_same_process_are_kept_too(tmp_path):
    folders = [SharedFolder(tmp_path) for _ in range(3)]
    assert len({folder.incoming for folder in folders}) == 3
    assert all(folder.incoming.exists() for folder in folders)


def test_what_the_first_version_left_is_deleted_when_it_is_old(tmp_path):
    """It had no locks, so only age tells."""
    (tmp_path / ".incoming").mkdir()
    for name, age_s in (("young", 0), ("old", ABANDONED_S + 1)):
        for path in (tmp_path / ".incoming" / name, tmp_path / f".{name}"):
            path.write_bytes(b"half")
            os.utime(path, (0, time.time() - age_s))
    SharedFolder(tmp_path)
    assert (tmp_path / ".incoming" / "young").exists()
    assert (tmp_path / ".young").exists()
    assert not (tmp_path / ".incoming" / "old").exists()
    assert not (tmp_path / ".old").exists()


def test_what_is_set_aside_keeps_its_relative_path(tmp_path):
    shared = SharedFolder(tmp_path / "instances")
    for name in ("2.25.1/a", "2.25.1/b", "c"):
        path = shared.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert shared.set_aside([shared.path / "2.25.1", shared.path / "c", shared.path / "gone"]) == 2
    (aside,) = (tmp_path / "set-aside").iterdir()
    assert aside.stat().st_mode & 0o077 == 0
    found = {path.relative_to(aside).as_posix() for path in aside.rglob("*") if path.is_file()}
    assert found == {"instances/2.25.1/a", "instances/2.25.1/b", "instances/c"}


def test_files_that_are_set_aside_at_the_same_time_do_not_meet(tmp_path):
    shared = SharedFolder(tmp_path / "instances")
    for _ in range(3):
        (shared.path / "a").write_text("x")
        assert shared.set_aside([shared.path / "a"]) == 1
    assert len(list((tmp_path / "set-aside").rglob("a"))) == 3
