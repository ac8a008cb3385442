"""Which studies lie where, whatever else lies there."""

from pathlib import Path

from data_prep.importers.studies import studies_below
from tests.data_prep.dicom_factory import encode, make_slice, zipped


def write(file: Path, study: str, **attributes: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode(make_slice(StudyInstanceUID=study, **attributes)))


def test_each_study_has_its_deepest_common_folder_and_its_names(tmp_path):
    write(tmp_path / "a" / "b" / "1" / "x", "2.25.1", AccessionNumber=" A1 ", PatientID="P")
    write(tmp_path / "a" / "b" / "2" / "x.dcm", "2.25.1", AccessionNumber="A2", PatientID="P ")
    write(tmp_path / "a" / "b" / "2" / "y", "2.25.2", PatientID="Q")
    write(tmp_path / "z", "2.25.3", PatientID="", PatientName="")
    studies, unreadable = studies_below(tmp_path)
    assert unreadable == 0
    paths = {uid: study.path.relative_to(tmp_path).as_posix() for uid, study in studies.items()}
    assert paths == {"2.25.1": "a/b", "2.25.2": "a/b/2", "2.25.3": "."}
    assert [study.accessions for study in studies.values()] == [{"A1", "A2"}, set(), set()]
    ids = [{one.id for one in study.patients} for study in studies.values()]
    assert ids == [{"p"}, {"q"}, set()]


def test_other_files_are_skipped_and_broken_ones_counted(tmp_path):
    write(tmp_path / "good", "2.25.1")
    (tmp_path / "empty").touch()
    (tmp_path / "notes.txt").write_text("x" * 1000)
    (tmp_path / "packed.zip").write_bytes(zipped({"in.dcm": encode(make_slice(StudyInstanceUID="2.25.9"))}))
    (tmp_path / "nameless").write_bytes(encode(make_slice(StudyInstanceUID=None)))
    (tmp_path / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0\xff\xff")
    studies, unreadable = studies_below(tmp_path)
    assert list(studies) == ["2.25.1"]
    assert unreadable == 1


def test_what_is_shown_of_a_study_tells_no_patient(tmp_path):
    write(tmp_path / "x", "2.25.1", AccessionNumber="A1", PatientID="P-secret")
    shown = repr(studies_below(tmp_path))
    assert "A1" not in shown
    assert "secret" not in shown


def test_files_without_a_preamble_are_found(tmp_path):
    content = encode(make_slice(StudyInstanceUID="2.25.1"))
    (tmp_path / "meta").write_bytes(content[132:])
    (tmp_path / "bare").write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    (tmp_path / "text").write_text("no DICOM at all " * 40)
    studies, unreadable = studies_below(tmp_path)
    assert (list(studies), unreadable) == (["2.25.1"], 0)
