"""Ids that nobody declared: what in a column, a text, a JSON or a file's name looks like ids of one model.

`names.py` says what a name speaks of, `judgement.py` what the values say together with it: the doctor and a merge judge
by these two. `columns.py` and `texts.py` collect what a merge looks at, `suspects.py` judges it.
"""
