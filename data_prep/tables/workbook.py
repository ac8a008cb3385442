"""Workbooks: the sheets of .xlsx (ECMA-376) and .ods (OASIS OpenDocument 1.3) files as rows of text.

Both are zip archives of XML. python-calamine reads them. Before that, every part is unpacked under a limit and the
sheets' extents are measured, because a file of a few kB can have a cell in the last row and column.
"""

import datetime
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from xml.etree import ElementTree

from data_prep.tables.csv_text import NumberedRow

MAX_UNPACKED = 256 << 20
# Rows times columns, up to the last cell that isn't empty. The largest public table that is imported has 150,000.
MAX_CELLS = 4_000_000
ZIP, OLD_OFFICE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
SAVE_AGAIN = "save it as .xlsx, .ods or CSV"
# Excel keeps 15 digits of a number.
DIGITS = 15


class _Refused(ValueError):
    """A reason that quotes nothing from the workbook."""


def sheets_of(data: bytes) -> list[list[NumberedRow]]:
    """Every sheet that isn't hidden, as its non-empty rows with their numbers.

    Raises:
        ValueError: the workbook is damaged, too large, or has a password.
    """
    from python_calamine import SheetVisibleEnum, load_workbook

    try:
        parts = _parts(data)
        _check_extents(parts)
        workbook = load_workbook(_packed(parts))
        shown = [sheet.name for sheet in workbook.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
        return [list(_rows(workbook.get_sheet_by_name(name).iter_rows())) for name in shown]
    except _Refused:
        raise
    except Exception:  # the errors of zipfile, ElementTree and calamine may quote the content
        raise ValueError(f"the workbook is damaged; {SAVE_AGAIN}") from None


def _rows(values: Iterable[Sequence[object]]) -> Iterator[NumberedRow]:
    for number, row in enumerate(values, start=1):
        cells = [_text(value) for value in row]
        if any(map(str.strip, cells)):
            yield number, cells


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).upper()
        case float() | int():
            return f"{Decimal(f'{value:.{DIGITS}g}'):f}"
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def _parts(data: bytes) -> dict[str, bytes]:
    """The XML parts, unpacked; zipfile stops at the size that a part declares and checks its checksum."""
    parts: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [member for member in archive.infolist() if _is_needed(member.filename)]
        if any(member.flag_bits & 1 for member in members):
            raise _Refused("the workbook has a password; save it without one")
        if sum(member.file_size for member in members) > MAX_UNPACKED:
            raise _Refused(f"the workbook is larger than {MAX_UNPACKED >> 20} MiB when unpacked")
        for member in members:
            parts[member.filename] = archive.read(member)
    if b"encryption-data" in parts.get("META-INF/manifest.xml", b""):
        raise _Refused("the workbook has a password; save it without one")
    if not any(name == "content.xml" or re.match(r"xl/.*\.xml$", name) for name in parts):
        raise _Refused(f"it is an archive, but not an .xlsx or .ods workbook; {SAVE_AGAIN}")
    return parts


def _is_needed(name: str) -> bool:
    return name == "mimetype" or name.endswith((".xml", ".rels"))


def _packed(parts: dict[str, bytes]) -> io.BytesIO:
    """A new archive of the unpacked parts, whose sizes are known to be under the limit."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    stream.seek(0)
    return stream


def _check_extents(parts: dict[str, bytes]) -> None:
    for name, part in parts.items():
        if name == "content.xml":
            extents = _ods_extents(part)
        elif name.startswith("xl/worksheets/") and name.endswith(".xml"):
            extents = iter([_xlsx_extent(part)])
        else:
            continue
        if any(rows * columns > MAX_CELLS for rows, columns in extents):
            raise _Refused(
                f"a sheet of the workbook has more than {MAX_CELLS} cells; delete the cells far from the table"
            )


def _xlsx_extent(sheet: bytes) -> tuple[int, int]:
    """The last row and column of any cell, from 1. Cells are `c` elements; `r` gives the place, such as "B7".

    Without `r`, a cell follows the one before it.
    """
    rows = columns = row = column = 0
    for event, element in ElementTree.iterparse(io.BytesIO(sheet), ("start", "end")):
        tag = element.tag.rpartition("}")[2]
        if event == "end":
            element.clear()
        elif tag == "row":
            row, column = int(element.get("r", row + 1)), 0
        elif tag == "c":
            place = re.fullmatch(r"([A-Z]{1,3})(\d{1,7})", element.get("r", ""))
            row, column = (int(place[2]), _column_number(place[1])) if place else (row, column + 1)
            rows, columns = max(rows, row), max(columns, column)
    return rows, columns


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _ods_extents(content: bytes) -> Iterator[tuple[int, int]]:
    """The rows and columns of each table, up to the last cell with a value."""
    rows = columns = row = column = width = 0
    for event, element in ElementTree.iterparse(io.BytesIO(content), ("start", "end")):
        tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if event == "start" and tag == "table":
            rows = columns = row = 0
        elif event == "start" and tag == "table-row":
            column = width = 0
        elif event == "start" and tag in ("table-cell", "covered-table-cell"):
            column += int(attributes.get("number-columns-repeated", 1))
            width = column if "value-type" in attributes else width
        elif event == "end" and tag == "table-row":
            row += int(attributes.get("number-rows-repeated", 1))
            rows, columns = (row, max(columns, width)) if width else (rows, columns)
        elif event == "end" and tag == "table":
            yield rows, columns
        if event == "end" and tag in ("table", "table-row", "table-cell"):
            element.clear()
