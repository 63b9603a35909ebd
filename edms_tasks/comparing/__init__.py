"""Comparing two states of an EDMS, two snapshots or a snapshot and the live system, by natural key.

`shared_schema.py` determines what can be compared, `tables_to_read.py` which tables need not be read and which must. Then,
table by table: `fields.py` has the fields of a row as texts, `hashed_rows.py` hashes all rows, `row_pairs.py` matches the rows
of both sides, `row_details.py` reads the rows that differ with their values. `file_comparison.py` compares folders;
`comparison_result.py` has the result.
"""
