"""Reads tables as people save them: CSV of any dialect, .xlsx and .ods. Rows are cleaned text; every fault is named."""

from data_prep.tables.cells import column_key, decimal
from data_prep.tables.faults import Fault, Faults
from data_prep.tables.read import Line, Table, by_key, read_table

__all__ = ["Fault", "Faults", "Line", "Table", "by_key", "column_key", "decimal", "read_table"]
