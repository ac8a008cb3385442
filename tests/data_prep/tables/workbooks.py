"""Workbooks as files: .xlsx by openpyxl, .ods by hand, and the same rows as CSV in many dialects."""

import csv
import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import openpyxl

TYPE = "application/vnd.oasis.opendocument.spreadsheet"
SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)


def as_csv(rows: Sequence[Sequence[str]], separator: str, encoding: str, line_end: str, quoted: bool) -> bytes:
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(stream, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(rows)
    return stream.getvalue().encode(encoding)


def as_xlsx(*sheets: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def as_ods(*sheets: Sequence[Sequence[str]]) -> bytes:
    """Text cells, and below and beside them what LibreOffice writes: repeated empty cells up to the sheet's end."""
    tables = ""
    for number, rows in enumerate(sheets):
        filled = "".join(map(_ods_row, rows)) + _ods_rest()
        tables += f"<table:table table:name={quoteattr(f'Sheet{number}')}>{filled}</table:table>"
    return ods_of(tables)


def ods_of(tables: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", TYPE, zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content {SPACES}><office:body><office:spreadsheet>{tables}"
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return stream.getvalue()


def ods_cell(text: str, repeated: int = 1) -> str:
    if not text:
        return "<table:table-cell/>"
    lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in text.split("\n"))
    often = f'table:number-columns-repeated="{repeated}"'
    return f'<table:table-cell {often} office:value-type="string">{lines}</table:table-cell>'


def _ods_row(row: Sequence[str]) -> str:
    cells = "".join(map(ods_cell, row))
    return f'<table:table-row>{cells}<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'


def _ods_rest() -> str:
    empty = '<table:table-cell table:number-columns-repeated="16384"/>'
    return f'<table:table-row table:number-rows-repeated="1048000">{empty}</table:table-row>'
