"""CSV as it comes: what can be understood is read, the rest is named by row and not quoted."""

from pathlib import Path

import pytest

from data_prep.tables import by_key, read_table


def write(folder: Path, content: bytes) -> Path:
    table = folder / "some.csv"
    table.write_bytes(content)
    return table


def test_line_breaks_byte_order_mark_and_blank_lines(tmp_path):
    table = write(tmp_path, b'\xef\xbb\xbfid, text \r\n1,"two\nlines"\r\n\r\n 3 ,"a ""b"""\r\n')
    lines = read_table(table, ("text", "id")).lines
    assert [line.cells for line in lines] == [{"id": "1", "text": "two\nlines"}, {"id": "3", "text": 'a "b"'}]
    assert [line.place for line in lines] == ["some.csv, row 2", "some.csv, row 4"]


def test_a_table_without_header_starts_at_row_1(tmp_path):
    (line,) = read_table(write(tmp_path, b"0000,1\n"), header=("id", "label")).lines
    assert line.place == "some.csv, row 1"
    assert line["label"] == "1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "some.csv: there are no rows"),
        (b"id,text\n", "some.csv: there are no rows"),
        (b"id:text\n1:secret\n", "some.csv: no column id, text; its columns are id:text"),
        (b"key;words\n1;secret\n", "some.csv: no column id, text; its columns are key, words"),
        (b"0012345,secret\n1,a\n", "some.csv: no column id, text; its first row looks like data"),
        (b"Secret^Jane,healthy\n1,a\n", "some.csv: no column id, text; its first row looks like data"),
        (b"id,text\n1,a\n2,secret,more\n", "some.csv, row 3: it has 3 cells, and there are 2 columns"),
        (b"id,text\n1,a\nsecret\n", "some.csv, row 3: it ends before column text"),
        (b"text,id,other\na,1,b\nsecret,2", "some.csv, row 3: the file ends within this row"),
        (b'id,text\n1,a\n2,"secret\n3,b\n', "some.csv: row 3: a quotation mark is opened there and never closed"),
        (b"id,text\n1," + b"x" * 200_000 + b"\n", "some.csv: row 2: a cell has more than 131072 characters"),
        (b"id,text,id\n1,a,2\n", "some.csv: the column id occurs twice, as columns 1 and 3"),
        (b"ID,text,id \n1,a,2\n", "some.csv: the column id occurs twice, as columns 1 and 3"),
        (b"id\xc2\xa0,Te_xt,text\n1,a,2\n", "some.csv: the column text occurs twice, as columns 2 and 3"),
        (b"secret,0012345,secret\n1,a,2\n", "some.csv: a column occurs twice, as columns 1 and 3"),
        (b"id;text;id\n1;a;2\n", "some.csv: the column id occurs twice, as columns 1 and 3"),
        (b"<html><table><tr><td>id</td></tr></table>", "some.csv: it is a web page or a document, not a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"abc" * 20, "some.csv: it isn't a table but some other kind of file"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
            "some.csv: it is an old Excel workbook .* or has a password",
        ),
    ],
)
def test_other_tables_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_table(write(tmp_path, content), ("id", "text"))
    assert "secret" not in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nothing.csv: there is no such file"):
        read_table(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n1,3\n1,2\n", "some.csv, row 4: the same a and b as some.csv, row 2"),
        (b"a,b\n1,2\n1,\n", "some.csv, row 3: a or b is empty"),
    ],
)
def test_keys_are_filled_in_and_unique(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        by_key(read_table(write(tmp_path, content)).lines, "a", "b")


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "", "²"])
def test_whole_numbers(tmp_path, text):
    (line,) = read_table(write(tmp_path, f"a,b\n7,{text}\n".encode())).lines
    assert line.whole_number("a") == 7
    with pytest.raises(ValueError, match=r"some.csv, row 2, column b: not a whole number"):
        line.whole_number("b")
