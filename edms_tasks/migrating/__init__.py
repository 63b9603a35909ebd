"""Across versions: restore a snapshot of one version of the EDMS for the code of another.

`history.py` holds the migrations the snapshot was made under against those the code has; `fit.py` holds its tables and columns
against the code's models; `outcome.py` says what became of the tables once the database had followed the code. Values
and comparisons only: what is run, read and dropped stands in `flows/restoring/migrate_to_code.py` and in the engines' own rooms.
"""
