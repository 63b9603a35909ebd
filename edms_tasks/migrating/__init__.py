"""Across versions: restore a snapshot of one version of the EDMS for the code of another.

`migration_history.py` compares the snapshot's migrations with those of the code; `code_compatibility.py` compares its tables and
columns with the code's models; `migration_outcome.py` has the result for each table. Values and comparisons only:
`flows/restoring/migrate_to_code.py` and the engines in `databases/` run, read and drop.
"""
