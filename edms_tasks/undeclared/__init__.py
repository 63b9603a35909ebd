"""Undeclared ids: values in columns, texts, JSON or file names that look like ids of one model, although nothing declares them.

`names_of_models.py` says which models a name refers to, `likelihood.py` how likely values are ids of a model; the doctor and a
merge use both. `ids_in_columns.py`, `ids_in_texts.py` and `ids_in_file_names.py` collect a merge's values into the relation of
`collected_values.py`; `likely_ids.py` finds the likely places in it.
"""
