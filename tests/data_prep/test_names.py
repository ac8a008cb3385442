"""Names as they are on real disks: other encodings, line breaks, formulas, 255 bytes; each comes back as it was."""

import csv
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import names
from data_prep.files import replacing

# Bytes that a POSIX file system takes as a name.
NAMES = [
    b"good",
    b"M\xfcller",  # Latin-1
    b"\x8e\x52\x93\x63",  # Shift JIS
    b"\xd0\xcf\xf3",  # KOI8-R
    "Mu\u0308ller".encode(),  # decomposed
    "山田 👨‍👩‍👧 می‌خواهم".encode(),
    b"two\nlines\r\tand a tab\x1b[31m",
    b'=HYPERLINK("x")',
    b"-1",
    b"@here",
    b" spaces ",
    b"M\\xfcller",  # as `ls -b` writes it
    b"a\\u202eb",
    "live\u202eexe".encode(),
    b"C:\\new\\x",
    b"a" * 255,
    b"\xfc" * 255,
]
any_name = st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name)).map(os.fsdecode)


@pytest.mark.parametrize("name", [os.fsdecode(name) for name in NAMES], ids=range(len(NAMES)))
def test_a_name_is_shown_so_that_nothing_stumbles_and_comes_back(name):
    for text in (names.shown(name), names.cell(name)):
        assert names.original(text) == name
        assert not set(text) & set("\n\r\t\x1b\u202e")
        assert text == text.strip()
        assert json.loads(json.dumps(text).encode().decode()) == text
    assert names.cell(name)[0] not in "=+-@"


@given(any_name)
def test_every_name_comes_back(name):
    for text in (names.shown(name), names.cell(name)):
        assert names.original(text) == name
        assert text.encode().decode() == text
        stream = io.StringIO()
        csv.writer(stream).writerow([text, "next"])
        assert next(csv.reader(stream.getvalue().splitlines())) == [text, "next"]


@given(any_name, any_name)
def test_two_names_are_never_shown_alike(one, other):
    assert (names.shown(one) == names.shown(other)) == (one == other)
    assert (names.file_name(one) == names.file_name(other)) == (one == other)


@given(any_name)
def test_a_file_about_a_name_can_be_written(name):
    assert len(f".{names.file_name(name)}.json.12345678".encode()) <= 255
    assert "/" not in names.file_name(name)


@pytest.mark.slow
@given(st.text())
def test_any_cell_is_read(text):
    names.original(text)


def test_ordinary_names_are_left_alone():
    for name in ("knee 7.zip", "Müller", "2024-01-01_A", "a\\b", "山田", "ABC (1)"):
        assert names.shown(name) == names.cell(name) == names.file_name(name) == name


def test_bytes_of_another_system_are_known_by_what_they_mean_there():
    assert {"Müller", "M\\xfcller"} <= names.spellings(os.fsdecode(b"M\xfcller"))
    assert "Müller" in names.spellings(os.fsdecode(b"M\x81ller"))  # DOS
    assert names.spellings("Müller") == {"Müller"}


@pytest.mark.parametrize("name", [os.fsdecode(name) for name in NAMES], ids=range(len(NAMES)))
def test_a_file_of_any_name_can_be_replaced(name, tmp_path):
    with replacing(tmp_path / name) as partial:
        partial.write_text("here")
    assert [path.name for path in tmp_path.iterdir()] == [name]
