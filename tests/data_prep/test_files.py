import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.files import replacing, replacing_folder


def test_a_file_takes_its_place_at_once(tmp_path):
    path = tmp_path / "new" / "note.txt"
    with replacing(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), replacing(path) as partial:  # noqa: PT012
        partial.write_text("half")
        raise RuntimeError("half way")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("former", [None, {}, {"old.txt": "old"}])
def test_a_folder_takes_the_place_of_another_whole(tmp_path, former):
    path = tmp_path / "in" / "folder"
    if former is not None:
        path.mkdir(parents=True)
        for name, text in former.items():
            (path / name).write_text(text)
    with replacing_folder(path) as new:
        assert new.name == path.name
        (new / "one.txt").write_text("one")
        assert content(path) == (former or {})
    assert content(tmp_path) == {"in/folder/one.txt": "one"}
    assert path.stat().st_mode & 0o755 == 0o755


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with replacing_folder(tmp_path / "link") as new:
        (new / "one.txt").write_text("one")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "there") == {"one.txt": "one"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_the_folder_is_as_it_was(tmp_path, monkeypatch, error):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(error), replacing_folder(path) as new:  # noqa: PT012
        (new / "half.txt").write_text("half")
        raise error
    assert content(tmp_path) == {"folder/old.txt": "old"}

    rename = Path.rename

    def fails_for_the_new_one(self, target):
        if target == path and not self.name.endswith(".former"):
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_one)
    with pytest.raises(error), replacing_folder(path) as new:
        (new / "whole.txt").write_text("whole")
    assert content(tmp_path) == {"folder/old.txt": "old"}


# Ends itself as `kill -9` would, once the former folder is moved aside.
KILLED = """
import os, signal, sys
from pathlib import Path
from data_prep.files import replacing_folder

rename = Path.rename

def deadly(self, target):
    rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)

with replacing_folder(Path(sys.argv[1])) as new:
    (new / "new.txt").write_text("new")
    Path.rename = deadly
"""


def test_killed_between_the_renames_both_folders_are_left_whole(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old.txt").write_text("old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -signal.SIGKILL
    (apart,) = tmp_path.iterdir()
    assert content(apart) == {"folder/new.txt": "new", "folder.former/old.txt": "old"}
