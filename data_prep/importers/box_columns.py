"""Where the ligament lies, as columns of a table of diagnoses: a box in pixels of the series that Cruciate chooses.

Columns and rows are counted from 0 at the image's upper left corner. DICOM viewers count them from 1 (PS3.3 C.7.6.3).
Slices are named by SOPInstanceUID, or are counted from 0 in the volume's order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.boxes import Box
from data_prep.tables import Line, Table
from data_prep.volume import Volume

# The names that each column may have: Cruciate's, and KneeMRI's.
X, Y = ("box_x", "roiX"), ("box_y", "roiY")
WIDTH, HEIGHT = ("box_width", "roiWidth"), ("box_height", "roiHeight")
SLICE, SLICES = ("box_slice", "roiZ"), ("box_slices", "roiDepth")
FIRST, LAST = ("box_SOPInstanceUID",), ("box_last_SOPInstanceUID",)
ALL = (X, Y, WIDTH, HEIGHT, SLICE, SLICES, FIRST, LAST)


@dataclass(frozen=True)
class BoxRequest:
    """The box that a row asks for.

    Attributes:
        line: The row.
        rows: Start and stop.
        columns: Start and stop.
        slices: Start and stop, or () if SOPInstanceUIDs name the slices.
        instances: SOPInstanceUIDs of the first and the last slice, or ().
    """

    line: Line
    rows: tuple[int, int]
    columns: tuple[int, int]
    slices: tuple[int, ...]
    instances: tuple[str, ...]

    @property
    def place(self) -> tuple[object, ...]:
        """A key that is equal for rows that mean the same box."""
        return self.rows, self.columns, self.slices, self.instances


def requested(line: Line, table: Table) -> BoxRequest | None:
    """Read the row's box.

    Returns:
        The box, or None if its cells are empty.

    Raises:
        RowError: If the cells don't describe a box.
    """
    cells = {names[0]: next((name for name in names if table.has(name) and line[name]), "") for names in ALL}
    if not any(cells.values()):
        return None
    if lacking := [names[0] for names in (X, Y, WIDTH, HEIGHT) if not cells[names[0]]]:
        raise line.fault(f"its box lacks {', '.join(lacking)}")
    if bool(cells[SLICE[0]]) == bool(cells[FIRST[0]]):
        raise line.fault(f"a box needs either {SLICE[0]} or {FIRST[0]}")
    columns, rows = (_span(line, cells[start[0]], cells[size[0]]) for start, size in ((X, WIDTH), (Y, HEIGHT)))
    if cells[SLICE[0]]:
        return BoxRequest(line, rows, columns, _span(line, cells[SLICE[0]], cells[SLICES[0]]), ())
    first = line[cells[FIRST[0]]]
    return BoxRequest(line, rows, columns, (), (first, line[cells[LAST[0]]] if cells[LAST[0]] else first))


def placed(request: BoxRequest, volume: Volume) -> Box:
    """Find the box in the volume's grid.

    Raises:
        RowError: If the box lies outside the volume, or if not exactly one slice has the SOPInstanceUID.
    """
    start, stop = request.slices or _slices_of(request, volume.sop_uids)
    for what, end, size in zip(
        ("slices", "rows", "columns"), (stop, request.rows[1], request.columns[1]), volume.shape, strict=True
    ):
        if end > size:
            raise request.line.fault(f"its box ends at {end} of {size} {what}; they count from 0")
    return (start, stop), request.rows, request.columns


def _span(line: Line, start: str, size: str) -> tuple[int, int]:
    """Start and stop. A box without a number of slices lies in one slice."""
    length = line.whole_number(size) if size else 1
    if not length:
        raise line.fault("a box must have a size", size)
    return line.whole_number(start), line.whole_number(start) + length


def _slices_of(request: BoxRequest, sop_uids: Sequence[str]) -> tuple[int, int]:
    places = []
    for uid in request.instances:
        found = [place for place, known in enumerate(sop_uids) if known == uid]
        if len(found) != 1:
            how = f"{len(found)} slices" if found else "no slice"
            raise request.line.fault(f"{how} of the chosen series ({len(sop_uids)} slices) has its SOPInstanceUID")
        places += found
    return min(places), max(places) + 1
