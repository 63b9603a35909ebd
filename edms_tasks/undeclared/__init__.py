"""Ids that nobody declared: what in a column, a text, a JSON or a file's name looks like ids of one model.

`names_of_models.py` says which models a name means, `likelihood.py` how likely values are ids of a model: the doctor and a
merge use both. `ids_in_columns.py`, `ids_in_texts.py` and `ids_in_file_names.py` collect the values for a merge,
`likely_ids.py` finds the likely places among them.
"""
