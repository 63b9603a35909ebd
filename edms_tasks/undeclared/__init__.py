"""Ids that nobody declared: what in a column, a text, a JSON or a file's name looks like ids of one model.

`names.py` says which models a name means, `likelihood.py` how likely values are ids of a model: the doctor and a merge use both.
`columns.py`, `texts.py` and `file_names.py` collect the values for a merge, `suspects.py` finds the likely places among them.
"""
