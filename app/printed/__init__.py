"""The report for people: a PDF, and a page to print. Both say the same (`content.py`)."""
