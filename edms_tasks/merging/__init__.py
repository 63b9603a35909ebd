"""Merging a snapshot into a database that has rows of its own: matched rows, their ids, and what has to be written.

`sides.py` gives every row of both an identity that does not depend on ids; `pairing.py` pairs rows by it; `id_map.py`
gives each row of the snapshot the id it has from then on; `rewriting.py` writes the rows with these ids in every kind of
reference; `planning.py` compares them with the target's and says what to do; `validated_rows.py` validates the rows read back.
All of it is SQL over Parquet; nothing is written to the EDMS here.
"""
