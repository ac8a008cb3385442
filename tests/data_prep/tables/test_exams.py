import csv
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.tables.exams import COLUMNS, Exam, read_exams, write_exams
from tests.data_prep.tables.workbooks import as_ods, as_xlsx

EXAM = Exam(
    exam_id="a",
    patient_id="p",
    path=Path("a/dicom"),
    source="phantom",
    series_uid="1.2",
    binary=frozenset({"unhealthy"}),
    four_class=frozenset({"complete rupture", "partial rupture or strain"}),
    weight=0.5,
    laterality="L",
    spacing_mm=(3.6, 0.5, 0.5),
    box=((10, 15), (120, 180), (90, 140)),
    mask=Path("a/truth.npz"),
    split="val",
)


def rewrite(table: Path, column: str, value: str) -> None:
    """Put a value into a column of the table's first exam."""
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0][column] = value
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def test_what_is_written_is_read_with_paths_made_whole(tmp_path):
    table = tmp_path / "exams.csv"
    write_exams([EXAM], table)
    (exam,) = read_exams(table)
    assert exam == Exam(**{**EXAM.__dict__, "path": tmp_path / "a/dicom", "mask": tmp_path / "a/truth.npz"})
    assert exam.allowed(BINARY) == {"unhealthy"}
    assert len(exam.allowed(FOUR_CLASS)) == 2
    assert "partial rupture or strain|complete rupture" in table.read_text()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("binary", "torn"),
        ("four_class", "healthy|unhealthy"),
        ("weight", "heavy"),
        ("weight", "-1"),
        ("weight", "nan"),
        ("laterality", "left"),
        ("split", "training"),
        ("exam_id", ""),
        ("path", ""),
        ("spacing_mm", "3.6|0.5"),
        ("spacing_mm", "3|0|1"),
        ("spacing_mm", "3|0.006|0.006"),
        ("spacing_mm", "1e7|0.5|0.5"),
        ("box", "1:2|3:4"),
        ("box", "5:2|3:4|5:6"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path, column, value):
    table = tmp_path / "exams.csv"
    write_exams([EXAM], table)
    rewrite(table, column, value)
    with pytest.raises(ValueError, match=f"row 2, column {column}"):
        read_exams(table)


def test_missing_columns_ragged_rows_and_repeated_ids_are_named(tmp_path):
    table = tmp_path / "exams.csv"
    table.write_text("exam_id,path\na,b\n")
    with pytest.raises(ValueError, match="no column patient_id"):
        read_exams(table)
    table.write_text("exam_id,patient_id,path,lateralty\na,p,b,L\n")
    with pytest.raises(ValueError, match="unknown column lateralty"):
        read_exams(table)
    write_exams([EXAM], table)
    table.write_text(table.read_text() + "b,p\n")
    with pytest.raises(ValueError, match="row 3: it ends before column path"):
        read_exams(table)
    write_exams([EXAM, EXAM], table)
    with pytest.raises(ValueError, match="row 3, column exam_id: 'a' occurs twice"):
        read_exams(table)


def test_a_table_made_by_hand_needs_three_columns(tmp_path):
    table = tmp_path / "exams.csv"
    table.write_text("exam_id,patient_id,path,four_class\na,p,dicom,healthy|minor strain\n")
    (exam,) = read_exams(table)
    assert exam == Exam("a", "p", tmp_path / "dicom", four_class=frozenset({"healthy", "minor strain"}))


def test_a_table_named_relative_to_where_one_stands_is_read_and_written_alike(tmp_path, monkeypatch):
    write_exams([EXAM], tmp_path / "set/exams.csv")
    monkeypatch.chdir(tmp_path)
    before = (tmp_path / "set/exams.csv").read_text()
    write_exams(read_exams(Path("set/exams.csv")), Path("set/exams.csv"))
    assert (tmp_path / "set/exams.csv").read_text() == before


def test_paths_below_the_table_move_with_it_and_others_stay(tmp_path):
    near, far = tmp_path / "set/a.npy", tmp_path / "elsewhere/b.npy"
    write_exams([Exam("a", "p", near), Exam("b", "q", far)], tmp_path / "set/exams.csv")
    (tmp_path / "set").rename(tmp_path / "moved")
    assert [exam.path for exam in read_exams(tmp_path / "moved/exams.csv")] == [tmp_path / "moved/a.npy", far]


# What spreadsheets make of a table: by LibreOffice 7.4 with German settings, by Excel's "CSV UTF-8" and "Unicode text".
GERMAN = """\
Exam_ID;Patient_ID;Path;Source;Study_UID;Binary;Four_Class;Weight;Laterality;Spacing_mm;Box;Split;Notes;
a;p;dicom;dicom;2.25.1;Unhealthy;Minor Strain|Complete Rupture;0,36;l;3,6|0,5|0,5;10:15|120:180|90:140;VAL;1,5 mm;
;;;;;;;;;;;;;
b;1.234,5;0012;dicom;;;"healthy;minor strain";"1,00";Unknown;"3,6;0,5;0,5";;Train;;
"""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_table_that_a_german_spreadsheet_saved_is_read(tmp_path, encoding, line_end):
    (tmp_path / "exams.csv").write_text(GERMAN, encoding=encoding, newline=line_end)
    first, second = read_exams(tmp_path / "exams.csv")
    assert first == Exam(
        "a",
        "p",
        tmp_path / "dicom",
        source="dicom",
        study_uid="2.25.1",
        binary=frozenset({"unhealthy"}),
        four_class=frozenset({"minor strain", "complete rupture"}),
        weight=0.36,
        laterality="L",
        spacing_mm=(3.6, 0.5, 0.5),
        box=((10, 15), (120, 180), (90, 140)),
        split="val",
        notes="1,5 mm",
    )
    assert (second.four_class, second.weight, second.split) == ({"healthy", "minor strain"}, 1, "train")
    assert (second.laterality, second.spacing_mm) == ("unknown", (3.6, 0.5, 0.5))


@pytest.mark.parametrize("save", [as_xlsx, as_ods])
def test_a_table_saved_as_a_workbook_is_read(tmp_path, save):
    write_exams([EXAM, replace(EXAM, exam_id="b", box=None, notes="a, b; c|d")], tmp_path / "exams.csv")
    with (tmp_path / "exams.csv").open(newline="") as stream:
        (tmp_path / "exams.sheet").write_bytes(save(list(csv.reader(stream))))
    assert read_exams(tmp_path / "exams.sheet") == read_exams(tmp_path / "exams.csv")


@pytest.mark.parametrize(
    ("on_disk", "written"),
    [
        ("site/case 1", "site\\case 1"),
        (unicodedata.normalize("NFD", "Größe"), "Größe"),
        ("Größe", unicodedata.normalize("NFD", "Größe")),
        ("0012345", "12345"),
        ("a  b\\c", "a  b\\c"),
        ("“a”", "“a”"),
    ],
)
def test_a_path_is_found_although_it_was_changed(tmp_path, on_disk, written):
    (tmp_path / on_disk).mkdir(parents=True)
    (tmp_path / "exams.csv").write_text(f"exam_id,patient_id,path\na,p,{written}\n")
    assert read_exams(tmp_path / "exams.csv")[0].path == tmp_path / on_disk


def test_a_folder_that_is_no_utf_8_is_found(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Gr\xf6\xdfe"))
    folder.mkdir()
    (tmp_path / "exams.csv").write_bytes(b"exam_id,patient_id,path\na,p,Gr\xf6\xdfe\n")
    assert read_exams(tmp_path / "exams.csv")[0].path == folder


@pytest.mark.parametrize("changed", ["1.23457E+11", "1,2E+11", "01. Feb", "2-Jan", "3. Mrz."])
@pytest.mark.parametrize("column", ["exam_id", "patient_id", "series_uid"])
def test_ids_that_a_spreadsheet_destroyed_are_named(tmp_path, changed, column):
    write_exams([EXAM], tmp_path / "exams.csv")
    rewrite(tmp_path / "exams.csv", column, changed)
    with pytest.raises(ValueError, match=f"row 2, column {column}: .* a spreadsheet has made"):
        read_exams(tmp_path / "exams.csv")


def test_all_faults_are_told_at_once(tmp_path):
    rows = ["a,p,x,heavy,val", "b,,x,1,val", "c,p,x,1,dev", "a,p,x,1,val", "d,p,x,1,val", "a,p,x,1,"]
    (tmp_path / "exams.csv").write_text("\n".join(["exam_id,patient_id,path,weight,split", *rows, ""]))
    with pytest.raises(ValueError, match=r"^4 faults\n") as caught:
        read_exams(tmp_path / "exams.csv")
    told = str(caught.value)
    for place in ("row 2, column weight", "row 3, column patient_id", "row 4, column split", "row 7, column exam_id"):
        assert f"exams.csv, {place}: " in told
    assert "its columns are exam_id, patient_id, path, weight, split" in told


def test_a_column_twice_is_refused(tmp_path):
    (tmp_path / "exams.csv").write_text("exam_id,patient_id,path,split,Split\na,p,x,val,train\n")
    with pytest.raises(ValueError, match="the column Split occurs twice, as columns 4 and 5"):
        read_exams(tmp_path / "exams.csv")
