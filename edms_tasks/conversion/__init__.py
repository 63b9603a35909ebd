"""Across engines: what a SQLite database holds in a PostgreSQL one, and the other way round, exactly or not at all.

`kinds/` says for each type how a value crosses, `conversion.py` how a column does, `pairing.py` which column becomes
which, `fitting.py` finds the rows that cannot, `crossing.py` writes those that can, and brings them back for the proof.
"""
