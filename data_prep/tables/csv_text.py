"""CSV in any dialect: encoding, separator and line ends are found out from the file, the same way every time.

RFC 4180 has commas only; spreadsheets write the list separator of the country that they are set to. Sniffers guess from
the letters' statistics and are often wrong on short tables. Here the separator is the one that makes the column names
which the reader looks for appear.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

NumberedRow = tuple[int, list[str]]
# Gives a score for how well some rows look like the table that is looked for.
RowScore = Callable[[Sequence[NumberedRow]], tuple[int, ...]]

SEPARATORS = (",", ";", "\t", "|")
# Rows, of at most so many letters, that are looked at to find the separator, and the column names among them.
SAMPLE, SAMPLE_TEXT = 20, 1 << 20
# A last row of our own: if it is swallowed by another, a quotation mark stands open there.
_END = "\x1e"
# In UTF-16 nearly every second byte of a Western table is zero, and hardly any other; elsewhere zeros are anywhere.
ZEROS_OF_UTF16, ZEROS_OF_OTHERS = 0.3, 0.1
# A byte that is no UTF-8 as Python keeps it (PEP 383), and any letter that isn't ASCII.
_ODD, _BEYOND_ASCII = re.compile("[\udc80-\udcff]+"), re.compile("[^\x00-\x7f]+")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decoded(data: bytes, encoding: str = "") -> tuple[str, str]:
    """The text, and the encoding if it is a guess, else ''. ValueError if this is no text.

    A byte order mark decides, then zeros (UTF-16), then whether it is UTF-8, as hardly any other text is by chance.
    What is left is taken for Windows-1252, which holds all letters of Latin-1.
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
    if odd <= beyond_ascii - odd:  # UTF-8, but for the name of a file in some other encoding
        return text, ""
    with suppress(UnicodeDecodeError):
        return data.decode("cp1252"), "Windows-1252"
    return data.decode("latin-1"), "Latin-1"


def rows_of(text: str, score: RowScore) -> list[NumberedRow]:
    """All rows that hold anything, with their numbers; the separator is the one whose rows `score` likes best.

    ValueError names a row whose quotation mark isn't closed.
    """
    text = io.StringIO(text, newline=None).getvalue()  # lines end with \n, \r\n or \r
    first, _, rest = text.partition("\n")
    told = first.strip('"').lower()
    if told.startswith("sep=") and len(told) == 5:  # Excel's own line, which it doesn't show or count
        return list(_parsed(rest, told[-1]))
    return list(_parsed(text, max(SEPARATORS, key=lambda separator: score(_sample(text[:SAMPLE_TEXT], separator)))))


def _sample(text: str, separator: str) -> list[NumberedRow]:
    """The first rows; with a wrong separator, those before a quotation mark that seems open."""
    rows: list[NumberedRow] = []
    with suppress(ValueError):
        rows.extend(islice(_parsed(text, separator), SAMPLE))
    return rows


def _parsed(text: str, separator: str) -> Iterator[NumberedRow]:
    """Rows that hold anything, from 1."""
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
    """UTF-16 without its mark, by which of two bytes is zero; '' if it is none."""
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
