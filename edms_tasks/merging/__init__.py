"""Merging a snapshot into a database that has rows of its own: matched rows, their ids, and what has to be written.

`identifying/sides.py` gives each row of both an identity that does not depend on ids; `identified_rows.py` pairs rows by it; `id_map.py`
assigns each row of the snapshot its id in the target; `row_rewriting.py` writes the rows with these ids in every kind of reference;
`planning.py` compares them with the target's and plans the changes; `validated_rows.py` validates the rows read back.
All of it is SQL over Parquet; nothing is written to the EDMS here.
"""
