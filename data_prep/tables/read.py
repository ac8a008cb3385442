"""Reads a table as lines. The wanted columns are found in any form of file, and messages never quote a cell.

A cell may hold a report or a patient's number. Column names are quoted, unless they look like such cells.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.labels import SCHEMES
from data_prep.tables import csv_text, workbook
from data_prep.tables.cells import clean, column_key, words_key
from data_prep.tables.csv_text import NumberedRow, RowScore
from data_prep.tables.faults import Fault, Faults, RowError

MAX_BYTES = 256 << 20
# These are data, not column names: long numbers and dates, a person's name as DICOM writes it, classes.
_DATA = re.compile(r"\d{4}|\d[./:]\d|\^|^\d+$")
_CLASSES = {words_key(name) for scheme in SCHEMES.values() for name in scheme.classes}
COLUMNS_SHOWN = 30


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Attributes:
        table: the table's name.
        number: the row's number as spreadsheets count, from 1.
        cells: cleaned text by `column_key`.
        written: the original text of cells that cleaning changed, for names of files.
    """

    table: str
    number: int
    cells: dict[str, str] = field(repr=False)
    written: dict[str, str] = field(repr=False, default_factory=dict)

    def __getitem__(self, column: str) -> str:
        return self.cells[column_key(column)]

    @property
    def place(self) -> str:
        """Table and row, such as "train.csv, row 3"."""
        return f"{self.table}, row {self.number}"

    def as_written(self, column: str) -> str:
        """The cell's original text; only outer spaces are removed."""
        return self.written.get(column_key(column), self[column])

    def fault(self, reason: str, column: str = "") -> RowError:
        """The error to raise if this row, or its cell in a column, can't be used."""
        return RowError(Fault(self.table, self.number, column, reason))

    def whole_number(self, column: str) -> int:
        """A cell as a number from 0 up, also written `7.0` or `7,0`; RowError otherwise."""
        if not re.fullmatch(r"[0-9]+([.,]0+)?", self[column]):
            raise self.fault("not a whole number", column)
        return int(re.split("[.,]", self[column])[0])


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: the file's name.
        columns: the columns as the file names them.
        lines: the rows.
        guessed: the encoding if it was guessed, else ''.
    """

    name: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    guessed: str = ""

    def has(self, column: str) -> bool:
        """Whether there is a column with that name."""
        return column_key(column) in map(column_key, self.columns)

    def no_column(self, wanted: str) -> ValueError:
        """The error to raise if a column is missing; `wanted` names it in words."""
        return ValueError(f"{self.name}: no column {wanted}; {listed_columns(self.columns)}")


def read_table(
    table: Path,
    required: Sequence[str] = (),
    header: Sequence[str] = (),
    known: Sequence[str] = (),
    faults: Faults | None = None,
    encoding: str = "",
    may_be_empty: bool = False,
) -> Table:
    """Read every row that isn't empty, from CSV of any dialect, .xlsx or .ods; the content shows which of them it is.

    Args:
        table: the file.
        required: columns that must exist.
        header: the columns of a file that has no header.
        known: more columns that help to find the header.
        faults: collects the faults of single rows; without it they are a ValueError.
        encoding: the encoding of a CSV file, if it is known.
        may_be_empty: whether a table without rows is allowed.

    Raises:
        ValueError: the file or a column is missing, a column occurs twice, the file isn't a table, or a row has a
            fault and `faults` is None; the message names the file.
    """
    if not table.is_file():
        raise ValueError(f"{table}: there is no such file")
    if table.stat().st_size > MAX_BYTES:
        raise ValueError(f"{table.name}: it is larger than {MAX_BYTES >> 20} MiB")
    wanted = {column_key(column) for column in (*required, *header, *known)}
    try:
        rows, guessed, is_cut = _rows(table.read_bytes(), _row_score(wanted, len(header)), encoding)
    except ValueError as error:
        raise ValueError(f"{table.name}: {error}") from None
    if header:
        named = rows and list(map(column_key, rows[0][1])) == list(map(column_key, header))
        columns, rows = tuple(header), rows[1:] if named else rows
    else:
        start = _header_row(rows, wanted)
        columns, rows = tuple(map(clean, rows[start][1])) if rows else (), rows[start + 1 :]
    if not rows and not may_be_empty:
        raise ValueError(f"{table.name}: there are no rows")
    _check_columns(table.name, columns)
    found = Table(table.name, tuple(filter(None, columns)), (), guessed)
    if missing := [column for column in required if not found.has(column)]:
        raise found.no_column(", ".join(missing))
    if faults is not None and not header:
        faults.columns[table.name] = listed_columns(columns)
    lines = _lines(table.name, columns, rows, {column_key(column) for column in required}, is_cut, faults)
    return Table(found.name, found.columns, tuple(lines), guessed)


def by_key(lines: Iterable[Line], *columns: str, faults: Faults | None = None) -> dict[tuple[str, ...], Line]:
    """Lines by their cells in key columns.

    It is a fault if a key cell is empty or if two lines have the same key. All lines with the same key are left out.

    Args:
        lines: the lines.
        columns: the key columns.
        faults: collects the faults; without it they are a ValueError.
    """
    known: dict[tuple[str, ...], Line] = {}
    twice = set()
    ours = faults or Faults()
    for line in lines:
        with ours.caught():
            key = tuple(line[column] for column in columns)
            if not all(key):
                raise line.fault(f"{' or '.join(columns)} is empty")
            if key in known:
                twice.add(key)
                raise line.fault(f"the same {' and '.join(columns)} as {known[key].place}")
            known[key] = line
    if faults is None:
        ours.check()
    return {key: line for key, line in known.items() if key not in twice}


def listed_columns(columns: Iterable[str]) -> str:
    """The columns that were found, in words; they aren't quoted if they look like data."""
    names = [name for name in columns if name]
    if any(map(_is_data, names)):
        return "its first row looks like data, not like names of columns"
    more = f" and {len(names) - COLUMNS_SHOWN} more" if len(names) > COLUMNS_SHOWN else ""
    return f"its columns are {', '.join(name[:COLUMNS_SHOWN] for name in names[:COLUMNS_SHOWN])}{more}"


def _is_data(name: str) -> bool:
    return bool(_DATA.search(name)) or words_key(name) in _CLASSES


def _rows(data: bytes, score: RowScore, encoding: str) -> tuple[list[NumberedRow], str, bool]:
    """The rows, a guessed encoding, and whether the file ends within a line."""
    if data.startswith(workbook.OLD_OFFICE):
        raise ValueError(f"it is an old Excel workbook (.xls), or has a password; {workbook.SAVE_AGAIN}, without one")
    if data.startswith(workbook.ZIP):
        return _sheet(workbook.sheets_of(data), score), "", False
    text, guessed = csv_text.decoded(data, encoding)
    if text.lstrip()[:1] == "<" or text.startswith("%PDF"):
        raise ValueError(f"it is a web page or a document, not a table; {workbook.SAVE_AGAIN}")
    return csv_text.rows_of(text, score), guessed, not text.endswith(("\n", "\r"))


def _sheet(sheets: list[list[NumberedRow]], score: RowScore) -> list[NumberedRow]:
    """The one sheet that has the wanted columns; ValueError if several sheets have them."""
    filled = [sheet for sheet in sheets if sheet]
    scores = [score(sheet[: csv_text.SAMPLE])[0] for sheet in filled]
    best = [sheet for sheet, score in zip(filled, scores, strict=True) if score == max(scores)]
    if len(best) > 1 and max(scores) > 0:
        raise ValueError(f"{len(best)} of its sheets have these columns; keep one")
    return best[0] if best else []


def _row_score(wanted: set[str], width: int) -> RowScore:
    """A score: how many wanted columns the header row names, then how many rows have as many cells as the header."""

    def score(rows: Sequence[NumberedRow]) -> tuple[int, ...]:
        if not rows:
            return 0, 0
        header = rows[_header_row(rows, wanted)][1]
        expected = width or len(header)
        alike = sum(len(row) == expected for _, row in rows) if expected > 1 else 0
        return _named(header, wanted), alike

    return score


def _named(row: Sequence[str], wanted: set[str]) -> int:
    return len(wanted & set(map(column_key, row)))


def _header_row(rows: Sequence[NumberedRow], wanted: set[str]) -> int:
    """The first row with the most wanted columns. It may not be row 1, because people write a title above tables."""
    head = rows[: csv_text.SAMPLE]
    return max(range(len(head)), key=lambda index: (_named(head[index][1], wanted), -index), default=0)


def _check_columns(table: str, columns: Sequence[str]) -> None:
    """ValueError if two columns have the same name, because either may be meant."""
    first: dict[str, int] = {}
    for number, name in enumerate(columns, start=1):
        before = first.setdefault(column_key(name), number)
        if name and before != number:
            called = "a column" if any(map(_is_data, columns)) else f"the column {name[:COLUMNS_SHOWN]}"
            raise ValueError(f"{table}: {called} occurs twice, as columns {before} and {number}; keep one of them")


def _lines(
    table: str,
    columns: Sequence[str],
    rows: Sequence[NumberedRow],
    required: set[str],
    is_cut: bool,
    faults: Faults | None,
) -> list[Line]:
    """The lines of a table; `is_cut`: the file ends within a line."""
    lines = []
    ours = faults or Faults()
    width = len(columns)
    keys = list(map(column_key, columns))
    if all(len(row) > width and not any(map(clean, row[width:])) for _, row in rows):
        rows = [(number, row[:width]) for number, row in rows]  # some programs end every line with a separator
    for number, row in rows:
        bare = Line(table, number, {})
        with ours.caught():
            if is_cut and number == rows[-1][0] and len(row) < width:
                raise bare.fault("the file ends within this row")
            lines.append(_line(bare, columns, keys, row, required))
    if faults is None:
        ours.check()
    return lines


def _line(bare: Line, columns: Sequence[str], keys: Sequence[str], row: Sequence[str], required: set[str]) -> Line:
    """A line with its cells by column. Spreadsheets omit empty cells at the end of a row."""
    if len(row) > len(columns):
        raise bare.fault(
            f"it has {len(row)} cells, and there are {len(columns)} columns; a cell that holds a separator needs "
            "quotation marks"
        )
    lacking = range(len(row), len(columns))
    for place in lacking:
        if keys[place] in required:
            raise bare.fault(f"it ends before column {columns[place]}")
    written = {key: text.strip() for key, text in zip(keys, (*row, *[""] * len(lacking)), strict=True) if key}
    cells = {key: clean(text) for key, text in written.items()}
    return Line(bare.table, bare.number, cells, {key: text for key, text in written.items() if text != cells[key]})
