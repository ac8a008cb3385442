"""What searches match: tables with a column for each key, made from the rows of instances (PS3.4 C.2, PS3.18 10.6)."""
