"""Work on exam tables before training: splits, audits, reports.

`python -m data_prep.exams` imports, merges, splits, audits and reports.
"""
