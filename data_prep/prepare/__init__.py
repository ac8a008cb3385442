"""From an exam to its prepared arrays, made once and kept on disk. `python -m data_prep.prepare` makes them all."""
