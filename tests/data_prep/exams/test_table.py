import csv
from pathlib import Path

import pytest

from data_prep.exams import COLUMNS, Exam, read_exams, write_exams
from data_prep.labels import BINARY, FOUR_CLASS

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
    with pytest.raises(ValueError, match="row 3, column exam_id: 'a' stands there twice"):
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
