"""CSV in any dialect: encoding, separator and line ends are found from the file, always by the same rules.

RFC 4180 has commas only; spreadsheets write the list separator of the country in their settings. Sniffers guess from
letter statistics and are often wrong on short tables. Here the separator is chosen that gives the expected column
names.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

NumberedRow = tuple[int, list[str]]
# Gives a score for how similar some rows are to the expected table.
RowScore = Callable[[Sequence[NumberedRow]], tuple[int, ...]]

SEPARATORS = (",", ";", "\t", "|")
# The first rows, and at most this many characters, are used to find the separator and the column names.
SAMPLE, SAMPLE_TEXT = 20, 1 << 20
# A last row that is added: if it becomes part of another row, that row has a quotation mark that isn't closed.
_END = "\x1e"
# In UTF-16 nearly every second byte of a Western table is zero, and hardly any other byte. Other files have zeros in
# both places.
ZEROS_OF_UTF16, ZEROS_OF_OTHERS = 0.3, 0.1
# Python's representation of a byte that isn't UTF-8 (PEP 383), and any character that isn't ASCII.
_ODD, _BEYOND_ASCII = re.compile("[\udc80-\udcff]+"), re.compile("[^\x00-\x7f]+")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decoded(data: bytes, encoding: str = "") -> tuple[str, str]:
    """Decode a file.

    A byte order mark decides first, then zeros (UTF-16), then whether the bytes are valid UTF-8, which other texts
    hardly ever are by chance. All other files are read as Windows-1252, which includes all letters of Latin-1.

    Args:
        data: the file's bytes.
        encoding: the encoding, if it is known.

    Returns:
        The text, and the encoding if it is a guess, else ''.

    Raises:
        ValueError: the file isn't text, or isn't in the given encoding.
    """
    if encoding:
        return _strictly(data, encoding), ""
    for mark, known in _MARKS:
        if data.startswith(mark):
            return _strictly(data, known), ""
    if utf16 := _utf16(data):
        return _strictly(data, utf16), ""
    if b"\0" in data:
        raise ValueError("it isn't a table but some other kind of file")
    with suppress(UnicodeDecodeError):
        return data.decode(), ""
    text = data.decode(errors="surrogateescape")
    odd, beyond_ascii = (sum(map(len, pattern.findall(text))) for pattern in (_ODD, _BEYOND_ASCII))
    if odd <= beyond_ascii - odd:  # UTF-8, except the name of a file in another encoding
        return text, ""
    with suppress(UnicodeDecodeError):
        return data.decode("cp1252"), "Windows-1252"
    return data.decode("latin-1"), "Latin-1"


def rows_of(text: str, score: RowScore) -> list[NumberedRow]:
    """All rows that aren't empty, with their numbers.

    Args:
        text: the file's text.
        score: the separator whose rows have the highest score is used.

    Raises:
        ValueError: a quotation mark isn't closed; the message names the row.
    """
    text = io.StringIO(text, newline=None).getvalue()  # lines end with \n, \r\n or \r
    first, _, rest = text.partition("\n")
    told = first.strip('"').lower()
    if told.startswith("sep=") and len(told) == 5:  # Excel's own line, which it doesn't show or count
        return list(_parsed(rest, told[-1]))
    return list(_parsed(text, max(SEPARATORS, key=lambda separator: score(_sample(text[:SAMPLE_TEXT], separator)))))


def _sample(text: str, separator: str) -> list[NumberedRow]:
    """The first rows. With a wrong separator a quotation mark may seem open: then only the rows before it."""
    rows: list[NumberedRow] = []
    with suppress(ValueError):
        rows.extend(islice(_parsed(text, separator), SAMPLE))
    return rows


def _parsed(text: str, separator: str) -> Iterator[NumberedRow]:
    """Rows that aren't empty, numbered from 1."""
    reader = csv.reader(io.StringIO(f"{text}\n{_END}"), delimiter=separator)
    number = 0
    try:
        for number, record in enumerate(reader, start=1):
            if record == [_END]:
                return
            if record and record[-1].endswith(f"\n{_END}"):
                raise ValueError(f"row {number}: a quotation mark is opened there and never closed")
            if any(map(str.strip, record)):
                yield number, record
    except csv.Error:
        raise ValueError(
            f"row {number + 1}: a cell has more than {csv.field_size_limit()} characters; "
            "is a quotation mark opened there and not closed?"
        ) from None


def _utf16(data: bytes) -> str:
    """The kind of UTF-16 without a byte order mark, by which of two bytes is zero; '' if it isn't UTF-16."""
    sample = data[: 1 << 12]
    first, second = (sample[start::2].count(0) / max(len(sample) / 2, 1) for start in (0, 1))
    if max(first, second) < ZEROS_OF_UTF16 or min(first, second) > ZEROS_OF_OTHERS:
        return ""
    return "utf-16-le" if second > first else "utf-16-be"


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise ValueError(f"it can't be read as {encoding.removesuffix('-sig').upper()}") from None
