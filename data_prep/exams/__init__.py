"""The exam table, and what is asked of it before anything is learnt from it.

`table` reads and writes it, `load` gets an exam's pixels, `python -m data_prep.exams` imports, merges, splits, audits
and reports.
"""

from data_prep.exams.table import COLUMNS, Exam, Split, read_exams, write_exams

__all__ = ["COLUMNS", "Exam", "Split", "read_exams", "write_exams"]
