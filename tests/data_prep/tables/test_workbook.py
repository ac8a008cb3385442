"""Cells of every type as text, and workbooks that are refused before they can fill the memory."""

import datetime
import io
import zipfile

import openpyxl
import pytest

from data_prep.tables import read_table, workbook
from tests.data_prep.tables.workbooks import as_ods, as_xlsx, ods_cell, ods_of

COLUMNS = ("folder", "label")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.xlsx"


def rows(path, data: bytes) -> list[tuple[str, str]]:
    path.write_bytes(data)
    return [(line["folder"], line["label"]) for line in read_table(path, COLUMNS).lines]


def refused(path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"^some\.xlsx: ") as caught:
        read_table(path, COLUMNS)
    return str(caught.value)


def test_numbers_dates_booleans_and_errors_as_text(path):
    cells = [
        (12345, "12345"),
        (0.36, "0.36"),
        (120000000000.0, "120000000000"),
        (123456789012345678, "123456789012346000"),
        (True, "TRUE"),
        (datetime.date(2024, 2, 1), "2024-02-01"),
        (datetime.datetime(2024, 2, 1, 10, 15), "2024-02-01T10:15:00"),
        (datetime.time(10, 15), "10:15:00"),
        ("#N/A", ""),
        (" text\u00a0", "text"),
    ]
    found = rows(path, as_xlsx([COLUMNS, *((value, "x") for value, _ in cells)]))
    assert found == [(text, "x") for _, text in cells]


def test_the_name_of_the_file_says_nothing(tmp_path):
    for name in ("a.csv", "a.txt", "a"):
        assert rows(tmp_path / name, as_ods([COLUMNS, ("1", "x")])) == [("1", "x")]


def test_the_sheet_with_the_columns_is_read_and_two_are_refused(path):
    notes, table = [("read me",), ("12 March",)], [COLUMNS, ("1", "x")]
    assert rows(path, as_xlsx(notes, table)) == [("1", "x")]
    assert rows(path, as_ods(notes, table, [])) == [("1", "x")]
    assert "2 of its sheets have these columns" in refused(path, as_xlsx(table, table))


def test_rows_are_numbered_as_the_spreadsheet_does(path):
    path.write_bytes(as_xlsx([(), ("a title",), (), COLUMNS, ("1", "x"), (), ("2", "y")]))
    assert [line.number for line in read_table(path, COLUMNS).lines] == [5, 7]


def test_a_hidden_sheet_is_not_read(path):
    book = openpyxl.Workbook()
    book.active.append(COLUMNS)
    book.active.append(("1", "x"))
    book.create_sheet("old", 0).append(COLUMNS)
    book["old"].append(("2", "y"))
    book["old"].sheet_state = "hidden"
    stream = io.BytesIO()
    book.save(stream)
    assert rows(path, stream.getvalue()) == [("1", "x")]


def test_a_column_twice_in_a_workbook(path):
    assert "the column Label occurs twice, as columns 2 and 3" in refused(
        path, as_xlsx([("folder", "label", "Label"), ("1", "x", "y")])
    )


def far_away() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(COLUMNS)
    book.active["XFD1048576"] = 1
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def repeated(rows: int, columns: int) -> bytes:
    row = f'<table:table-row table:number-rows-repeated="{rows}">{ods_cell("x", columns)}</table:table-row>'
    return ods_of(f'<table:table table:name="A">{row}</table:table>')


@pytest.mark.parametrize("data", [far_away(), repeated(1_000_000, 16_000), repeated(3_000, 3_000)])
def test_a_small_file_that_names_a_far_cell_is_refused(path, data):
    assert len(data) < 10_000
    assert "more than 4000000 cells" in refused(path, data)


@pytest.mark.parametrize("name", ["content.xml", "xl/worksheets/sheet1.xml"])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(path, monkeypatch, name):
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 1 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(2 << 20))
    assert "larger than 1 MiB when unpacked" in refused(path, stream.getvalue())


def test_a_part_that_lies_about_its_size_is_damaged(path):
    data = as_xlsx([COLUMNS, ("1", "x")])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        member = archive.getinfo("xl/worksheets/sheet1.xml")
    told = member.file_size.to_bytes(4, "little")
    assert "damaged" in refused(path, data.replace(told, (16).to_bytes(4, "little")))


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_cut_workbook_is_damaged(path, cut):
    data = as_xlsx([COLUMNS, ("1", "x")])
    assert "the workbook is damaged" in refused(path, data[: int(len(data) * cut)])


def test_a_password_and_other_archives_are_named(path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    assert "not an .xlsx or .ods workbook" in refused(path, stream.getvalue())
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(as_ods([COLUMNS]))) as old, zipfile.ZipFile(stream, "w") as archive:
        for name in old.namelist():
            known = old.read(name)
            archive.writestr(name, b"<m><manifest:encryption-data/></m>" if "manifest" in name else known)
    assert "has a password" in refused(path, stream.getvalue())
