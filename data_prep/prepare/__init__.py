"""Makes an exam's network input once and keeps it on disk. `python -m data_prep.prepare` makes those of a table."""
