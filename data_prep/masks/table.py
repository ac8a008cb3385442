"""The table of masks: one row for each mask or box, as CSV that people can open and edit. See docs/masks.md.

It is read as exam tables are (`data_prep.tables`): CSV of any dialect, .xlsx and .ods.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data_prep.files import replacing
from data_prep.masks.row import COLUMNS, REQUIRED, Drawn, MaskRow, parsed, yes
from data_prep.masks.structures import Shows
from data_prep.tables import Faults, Line, Table, column_key, read_table
from data_prep.tables.exams import cell

# Columns for people, and of exported reviews, that say nothing of pixels. `used` is read: "no" leaves the row out.
OTHERS = ("notes", "review", "reader", "created", "segmentation", "used")


def read_masks(path: Path) -> list[MaskRow]:
    """Every row of a table of masks, checked by itself and against the others; no image is opened.

    Args:
        path: the table.

    Returns:
        The rows, without those whose column `used` says no. Paths are absolute.

    Raises:
        ValueError: with every row and column at fault.
    """
    faults = Faults()
    found = read_table(path, REQUIRED, known=(*COLUMNS, *OTHERS), faults=faults)
    columns = _columns(path, found)
    home = path.parent.absolute()
    rows: list[tuple[Line, MaskRow]] = []
    for line in found.lines:
        with faults.caught():
            if _is_used(line, found):
                row = parsed(line, columns, home)
                _check_row(line, row)
                rows.append((line, row))
    _check_together(rows, faults)
    faults.check()
    if not rows:
        raise ValueError(f"{path.name}: no row is left to use")
    return [row for _, row in rows]


def write_masks(rows: Iterable[MaskRow], table: Path) -> None:
    """Write the table at once or not at all; paths below the table's folder relative to it."""
    with replacing(table) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_written(row, column, table.parent) for column in COLUMNS] for row in rows)


def by_exam(rows: Iterable[MaskRow]) -> dict[str, list[MaskRow]]:
    """The rows of each exam, in the order of the table."""
    exams: dict[str, list[MaskRow]] = {}
    for row in rows:
        exams.setdefault(row.exam_id, []).append(row)
    return exams


def _columns(path: Path, found: Table) -> dict[str, str]:
    """Our names of the columns that the table has."""
    known = {column_key(column): column for column in (*COLUMNS, *OTHERS)}
    if unknown := [column for column in found.columns if column_key(column) not in known]:
        raise ValueError(f"{path.name}: unknown column {', '.join(unknown)}; `notes` is there for your own words")
    return {known[column_key(column)]: column for column in found.columns if known[column_key(column)] in COLUMNS}


def _is_used(line: Line, found: Table) -> bool:
    if not found.has("used") or not line["used"]:
        return True
    try:
        return yes(line["used"])
    except ValueError as error:
        raise line.fault(f"{line['used']!r} is not {error}", "used") from None


def _written(row: MaskRow, column: str, folder: Path) -> str:
    value = getattr(row, column)
    match value:
        case bool():
            return "yes" if value else ""
        case Shows():
            return str(value)
    if column == "drawn":
        return _spans(value)
    return cell(value, folder)


def _spans(drawn: Drawn) -> str:
    return drawn if isinstance(drawn, str) else "|".join(f"{start}:{stop}" for start, stop in drawn)


def _check_row(line: Line, row: MaskRow) -> None:
    """RowError if the cells of a row don't fit each other."""
    if row.mask and row.box:
        raise line.fault("there are a mask and a box; give each a row of its own", "box")
    if not row.mask and not row.box and not row.empty:
        raise line.fault(
            "there is neither a mask nor a box; if the structure isn't there, write yes in column empty", "mask"
        )
    if row.box and row.empty:
        raise line.fault("there is a box, but column empty says that the structure isn't there", "empty")
    if row.structure.meanings and row.mask is None:
        raise line.fault("values have a meaning in a mask only; name one structure", "structure")
    if (row.row_mm is None) != (row.column_mm is None):
        raise line.fault("row_mm and column_mm are needed together, or neither of them", "row_mm")
    if row.slice_mm is not None and row.row_mm is None:
        raise line.fault("slice_mm is there, but row_mm and column_mm aren't", "slice_mm")
    if row.kind == "picture" and isinstance(row.slice, str):
        raise line.fault("a SOPInstanceUID names a slice of a DICOM series; this image is a picture", "slice")
    if row.kind == "picture" and row.drawn != "all":
        raise line.fault("this is for volumes; a picture that isn't drawn needs no row", "drawn")


def _check_together(rows: Sequence[tuple[Line, MaskRow]], faults: Faults) -> None:
    """Collect the faults of rows that contradict earlier ones."""
    _same(rows, faults, "patient_id", lambda row: row.exam_id, lambda row: row.patient_id, "one exam, two patients")
    placed = [(line, row) for line, row in rows if row.split]
    _same(placed, faults, "split", lambda row: row.patient_id, lambda row: row.split, "one patient, two splits")
    for column in ("split", "row_mm", "column_mm", "slice_mm", "series_uid", "study_uid", "laterality"):
        _same(rows, faults, column, lambda row: row.exam_id, _getter(column), f"one exam, two values of {column}")
    _same(rows, faults, "image", lambda row: row.source, lambda row: row.exam_id, "the same image in two exams")
    masks = [(line, row) for line, row in rows if row.mask]
    _same(masks, faults, "mask", lambda row: row.mask, lambda row: row.exam_id, "the same mask for two exams")
    _same(
        [(line, row) for line, row in rows if row.kind != "picture"],
        faults,
        "image",
        lambda row: row.exam_id,
        lambda row: row.image,
        "one exam, two volumes; give each an exam_id of its own",
    )


def _getter(column: str) -> Callable[[MaskRow], object]:
    return lambda row: getattr(row, column)


def _same(
    rows: Iterable[tuple[Line, MaskRow]],
    faults: Faults,
    column: str,
    key: Callable[[MaskRow], object],
    value: Callable[[MaskRow], object],
    reason: str,
) -> None:
    """A fault for each row whose value isn't that of the first row with the same key."""
    first: dict[object, tuple[Line, object]] = {}
    for line, row in rows:
        known, expected = first.setdefault(key(row), (line, value(row)))
        with faults.caught():
            if value(row) != expected:
                raise line.fault(f"{reason} (see row {known.number})", column)
