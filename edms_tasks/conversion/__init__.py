"""Engine conversion: convert a snapshot from SQLite to PostgreSQL or back, exactly or not at all.

`kinds/` converts the values of each type, `column_conversion.py` a column; `table_pairs.py` maps tables and columns to
those of the other engine. `compatibility.py` finds incompatible rows before anything is loaded. `converted_rows.py`
converts the rows, and converts them back for validation. `serialized_values.py` reads values of Django's fixtures, and
`fixture_values.py` writes them.
"""
