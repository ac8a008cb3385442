"""The faults in a table's rows, collected so that one message reports all of them."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.files import replacing

# A message lists at most this many faults: most faults of a table have the same cause.
SHOWN = 20


@dataclass(frozen=True, order=True)
class Fault:
    """A fault in a table.

    Attributes:
        table: the file's name.
        row: the row's number as spreadsheets count.
        column: the column, or '' for the whole row.
        reason: what is wrong; it never quotes a cell.
    """

    table: str
    row: int
    column: str
    reason: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"{self.table}, row {self.row}{column}: {self.reason}"


class RowError(ValueError):
    """A row that can't be used, with its fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass
class Faults:
    """The faults found so far.

    Attributes:
        found: the faults.
        columns: for each table that was read, the text of `listed_columns`.
    """

    found: list[Fault] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Keep the fault of a RowError raised in this block, and continue after the block."""
        try:
            yield
        except RowError as error:
            self.found.append(error.fault)

    def check(self, advice: str = "") -> None:
        """Raise a ValueError if there are faults.

        Args:
            advice: what can be done about the faults.

        Raises:
            ValueError: with all faults, sorted by table and row.
        """
        faults = sorted(set(self.found))
        if not faults:
            return
        if len(faults) == 1:
            raise ValueError(f"{faults[0]}{advice}")
        tables = [
            f"{table}: {said}" for table, said in self.columns.items() if any(one.table == table for one in faults)
        ]
        lines = [f"{len(faults)} faults{advice}", *tables, *map(str, faults[:SHOWN])]
        if more := faults[SHOWN:]:
            lines.append(f"and {len(more)} more")
        raise ValueError("\n  ".join(lines))


def write_faults(faults: Iterable[Fault], path: Path) -> None:
    """Write faults as a CSV file with the columns table, row, column and reason."""
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("table", "row", "column", "reason"))
        writer.writerows((fault.table, fault.row, fault.column, fault.reason) for fault in sorted(set(faults)))
