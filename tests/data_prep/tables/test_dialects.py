"""The same rows, whatever a spreadsheet makes of them: separators, encodings, line ends, .xlsx and .ods."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.tables import Table, read_table
from tests.data_prep.tables.workbooks import as_csv, as_ods, as_xlsx

COLUMNS = ("folder", "label", "remark")
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
WESTERN = ("cp1252", "latin-1")
# Letters that Latin-1 and Windows-1252 have alike, with every separator and quotation mark among them.
LETTERS = "abcxyzÄÖÜßéñ0189 ,;|\t'\"()=-_/\\"


def texts(letters: str) -> st.SearchStrategy[str]:
    any_text = st.text(st.sampled_from(letters), min_size=1, max_size=12)
    return any_text.filter(lambda text: text == text.strip(" \t'\"=-"))


def tables(letters: str) -> st.SearchStrategy[list[tuple[str, ...]]]:
    return st.lists(st.tuples(texts(letters), texts(letters), texts(letters) | st.just("")), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("dialects") / "some.csv"


def read(path, data: bytes) -> list[tuple[str, ...]]:
    path.write_bytes(data)
    return [tuple(line[column] for column in COLUMNS) for line in table(path).lines]


def table(path) -> Table:
    return read_table(path, ("folder", "label"))


@given(
    rows=tables(LETTERS + "膝Łž😀"),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(UNICODE),
    line_end=st.sampled_from(("\n", "\r\n", "\r")),
    quoted=st.booleans(),
)
def test_every_dialect_of_csv_in_unicode(path, rows, separator, encoding, line_end, quoted):
    data = as_csv([COLUMNS, *rows], separator, encoding, line_end, quoted)
    assert read(path, data) == rows
    assert not table(path).guessed


@given(rows=tables(LETTERS), separator=st.sampled_from(",;\t|"), encoding=st.sampled_from(WESTERN))
def test_every_dialect_of_csv_in_a_western_encoding(path, rows, separator, encoding):
    """Accented letters in a row that are UTF-8 by chance, such as Ã and ©, aren't among these."""
    assert read(path, as_csv([COLUMNS, *rows], separator, encoding, "\r\n", False)) == rows


@given(rows=tables(LETTERS.replace("\t", "") + "膝Łž😀"))
def test_workbooks(path, rows):
    assert read(path, as_ods([COLUMNS, *rows])) == rows
    if not any(cell.startswith("=") for row in rows for cell in row):  # a formula in openpyxl
        assert read(path, as_xlsx([COLUMNS, *rows])) == rows


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nfolder;label;remark\na,1;healthy;\n",
        '"sep=;"\r\nfolder;label;remark\r\na,1;healthy;\r\n',
        "sep=\t\nfolder\tlabel\tremark\na,1\thealthy\t\n",
        "\ufefffolder;label;remark;;\na,1;healthy;;;\n;;;;\n;;;;\n",
        "\n\n\nfolder|label|remark\n\na,1|healthy|\n|||\n",
        "Export of the archive;;\n;;\nfolder;label;remark\na,1;healthy;\n",
        "Folder ; LABEL;Re mark\n a,1\u00a0;\u200bhealthy\u200b;\n",
        "label;remark;folder\n“healthy”;;a,1\n",
        'folder,label,remark\n"=""a,1""",healthy\n',
        "folder;label;remark;\na,1;healthy\n",
        ',folder,label,remark\n0,"a,1",healthy,\n',
    ],
)
def test_what_programs_and_people_add(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    (line,) = table(path).lines
    assert (line["folder"], line["label"]) == ("a,1", "healthy")


def test_rows_count_as_a_spreadsheet_counts_them(path):
    path.write_text('sep=,\nfolder,label\n,\n"two\nlines",x\n\na,b\n')
    assert [line.number for line in table(path).lines] == [3, 5]


def test_the_encoding_is_told_where_it_is_a_guess_and_can_be_named(path):
    path.write_bytes("folder,label\nGröße,healthy\n".encode("cp1252"))
    assert (table(path).lines[0]["folder"], table(path).guessed) == ("Größe", "Windows-1252")
    path.write_bytes("folder,label\n右膝,healthy\n".encode("cp932"))
    japanese = read_table(path, encoding="cp932")
    assert (japanese.lines[0]["folder"], japanese.guessed) == ("右膝", "")
    with pytest.raises(ValueError, match=r"some\.csv: it can't be read as UTF-8"):
        read_table(path, encoding="utf-8")
    with pytest.raises(ValueError, match=r"some\.csv: it can't be read as KLINGON"):
        read_table(path, encoding="klingon")


def test_one_name_in_another_encoding_leaves_the_others_as_they_are(path):
    path.write_bytes("folder,label\nMünchen,healthy\nZürich,healthy\n".encode() + b"Gr\xf6\xdfe,healthy\n")
    assert [line["folder"] for line in table(path).lines][:2] == ["München", "Zürich"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_are_composed_and_what_was_written_is_kept(path, form):
    written = unicodedata.normalize(form, "Größe é")
    path.write_text(f"folder,label\n{written},healthy\n", encoding="utf-8")
    (line,) = table(path).lines
    assert line["folder"] == "Größe é"
    assert line.as_written("folder") == written
