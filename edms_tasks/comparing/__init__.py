"""Comparing two states of an EDMS, two snapshots or a snapshot and the live system, by natural key.

`shared_schema.py` says what can be compared, `unchanged.py` what need not be and what else must be read for it. Then, table
by table: `fields.py` what a row says, `hashed_rows.py` all rows as hashes, `pairs.py` which row is which on the other side,
`details.py` the rows that differ, with their values. `files.py` compares folders, `result.py` is what comes out.
"""
