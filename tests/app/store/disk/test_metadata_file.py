"""Metadata beside files: whole or not there, and gone with their file. What instances need is in test_instances.py."""

import pytest

from app.store.disk.instance_folder import InstanceFolder
from app.store.disk.metadata_file import MOST_METADATA, beside, is_useful, metadata_in

STUDY, DIGEST = "2.25.7", "ab" * 32
CONTENT = b'{"00080060": {"vr": "CS", "Value": ["MR"]}}' * 50


@pytest.fixture
def folder(tmp_path) -> InstanceFolder:
    """One with a file that has metadata."""
    found = InstanceFolder(tmp_path / "instances")
    place = found.file(STUDY, DIGEST)
    place.parent.mkdir()
    place.write_bytes(b"DICM")
    found.keep_metadata({(STUDY, DIGEST): CONTENT})
    return found


def test_what_is_kept_comes_back(folder):
    assert folder.metadata(STUDY, DIGEST) == CONTENT
    assert folder.metadata(STUDY, "cd" * 32) is None
    assert folder.metadata("2.25.8", DIGEST) is None
    assert beside(folder.file(STUDY, DIGEST)).stat().st_size < len(CONTENT)


@pytest.mark.parametrize("how", ["cut short", "changed", "empty", "zeros"])
def test_damaged_metadata_are_none(folder, how):
    path = beside(folder.file(STUDY, DIGEST))
    content = path.read_bytes()
    changed = content[:-12] + bytes([content[-12] ^ 1]) + content[-11:]
    path.write_bytes({"cut short": content[:-1], "changed": changed, "empty": b"", "zeros": bytes(len(content))}[how])
    assert folder.metadata(STUDY, DIGEST) is None
    assert [is_useful(one) for one in metadata_in(folder.path)] == [False]


def test_metadata_are_no_file_of_an_instance(folder):
    assert folder.files() == {folder.file(STUDY, DIGEST)}
    assert [is_useful(one) for one in metadata_in(folder.path)] == [True]


def test_they_go_with_their_file(folder):
    folder.remove_files(STUDY, [DIGEST])
    assert list((folder.path / STUDY).iterdir()) == []


def test_they_go_when_their_file_is_set_aside(folder, tmp_path):
    assert folder.set_files_aside([folder.file(STUDY, DIGEST)]) == 1
    assert not (folder.path / STUDY).exists()
    assert [path.name for path in (tmp_path / "set-aside").rglob("*") if path.is_file()] == [DIGEST]


def test_none_are_kept_of_a_file_that_has_been_deleted_meanwhile(folder):
    folder.remove_files(STUDY, [DIGEST])
    folder.keep_metadata({(STUDY, DIGEST): CONTENT})
    assert list(metadata_in(folder.path)) == []
    assert [path for path in folder.incoming.iterdir() if path.name != ".lock"] == []


def test_what_unpacks_to_more_than_metadata_may_have_is_none(folder):
    folder.keep_metadata({(STUDY, DIGEST): bytes(MOST_METADATA + 10)})
    assert folder.metadata(STUDY, DIGEST) is None
