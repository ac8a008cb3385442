"""Files, folders, zips and uploads are one study; limits hold before memory is taken."""

import pytest

from data_prep.dicom.frames import read_study
from data_prep.errors import InputOverLimit, MalformedInput
from data_prep.limits import Limits
from tests.data_prep.dicom_factory import encode, make_series, make_slice, uploads, zipped


def test_a_file_a_folder_a_zip_and_uploads_are_the_same_study(tmp_path):
    files = {f"a/b{place}": encode(image) for place, image in enumerate(make_series(3))}
    files |= {"DICOMDIR": b"not really", "__MACOSX/._b0": b"\0\5\26\7", "readme.txt": b"hello", ".DS_Store": b""}
    for name, content in files.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "study.zip").write_bytes(zipped(files))
    sources = (tmp_path / "folder", tmp_path / "study.zip", uploads(files), uploads({"body": zipped(files)}))
    studies = [[frame.sop_uid for frame in read_study(source).frames] for source in sources]
    assert studies == [["2.25.77.1.1", "2.25.77.1.2", "2.25.77.1.3"]] * 4


def test_limits_of_files_bytes_and_pixels():
    files = {f"{place}": encode(image) for place, image in enumerate(make_series(4))}
    for limits in (Limits(files=3), Limits(file_bytes=500), Limits(unpacked_bytes=8000), Limits(voxels=5759)):
        for source in (files, {"study.zip": zipped(files)}):
            with pytest.raises(InputOverLimit):
                read_study(uploads(source), limits)
    assert len(read_study(uploads(files), Limits(files=4, voxels=5760, frames=4, frame_side=40)).frames) == 4


def test_an_encrypted_zip_says_so():
    content = bytearray(zipped({"a.dcm": encode(make_slice())}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(MalformedInput, match="encrypted"):
        read_study(uploads({"z.zip": bytes(content)}))


def test_names_that_climb_out_of_the_archive_are_only_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = zipped({"../../evil.dcm": encode(make_slice()), "/etc/passwd": b"x"})
    assert len(read_study(uploads({"z.zip": content})).frames) == 1
    assert list(tmp_path.iterdir()) == []
