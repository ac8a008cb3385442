"""CSV files as data sets and people write them: any column order, line breaks within cells, a byte order mark.

Messages name file, row and column and quote no cell: it may hold a report or a patient's number.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One row. place: "train.csv, row 3", rows counted as a spreadsheet does; cells by column, stripped."""

    place: str
    cells: dict[str, str] = field(repr=False)

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def whole_number(self, column: str) -> int:
        """A cell as a number from 0 up; ValueError otherwise."""
        if not (self[column].isascii() and self[column].isdigit()):
            raise ValueError(f"{self.place}, column {column}: not a whole number")
        return int(self[column])


def read_table(table: Path, required: Sequence[str] = (), header: Sequence[str] = ()) -> list[Line]:
    """Every row that isn't blank; `header` names the columns of a file that has no header.

    ValueError if there is no such file, a column is missing, or cells are too many or too few.
    """
    if not table.is_file():
        raise ValueError(f"{table}: there is no such file")
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            records = [(number, record) for number, record in enumerate(csv.reader(stream), start=1) if record]
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{table.name}: this isn't CSV in UTF-8") from None
    if records and not header:
        header = [name.strip() for name in records.pop(0)[1]]
    if not records:
        raise ValueError(f"{table.name}: there are no rows")
    if missing := [column for column in required if column not in header]:
        raise ValueError(f"{table.name}: no column {', '.join(missing)}")
    return [_line(f"{table.name}, row {number}", header, record) for number, record in records]


def by_key(lines: Iterable[Line], *columns: str) -> dict[tuple[str, ...], Line]:
    """Lines by the cells that tell them apart; ValueError if these are empty or stand there twice."""
    known: dict[tuple[str, ...], Line] = {}
    for line in lines:
        key = tuple(line[column] for column in columns)
        if not all(key):
            raise ValueError(f"{line.place}: {' or '.join(columns)} is empty")
        if key in known:
            raise ValueError(f"{line.place}: the same {' and '.join(columns)} as {known[key].place}")
        known[key] = line
    return known


def _line(place: str, header: Sequence[str], record: Sequence[str]) -> Line:
    if len(record) != len(header):
        raise ValueError(f"{place}: {len(record)} cells for {len(header)} columns")
    return Line(place, {column: cell.strip() for column, cell in zip(header, record, strict=True)})
