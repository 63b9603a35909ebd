"""Engine conversion: the contents of an SQLite database in a PostgreSQL one, and the other way round, exactly or not at all.

`kinds/` says for each type how a value is converted, `column_conversion.py` how a column is, `table_pairs.py` which
column becomes which. `compatibility.py` finds incompatible rows; `converted_rows.py` converts the others, and converts
them back for validation.
"""
