"""What is asked of an exam table before anything is learnt from it: splits, audits, reports.

`python -m data_prep.exams` imports, merges, splits, audits and reports.
"""
