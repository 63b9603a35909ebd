"""Soft references: ids in plain columns, lists, JSON, strings and names of files, declared in the settings and looked up in the rows.

All that a form of them means is here. `soft_references.py` turns declarations into references of the inventory, with
`id_patterns.py`, `tag_patterns.py` and `json_paths.py` for how their places are written. `soft_columns.py` makes one relation for
each column with such ids: value -> content text, and for each reference the rows it refers to; `text_ids.py`, `tag_ids.py` and
`json_ids.py` find the ids in the forms of values, and `id_lookup.py` looks them up. `value_rewriting.py` replaces them, on documents
parsed by `json_positions.py`. All but the latter is set-based: each different value is parsed once.
"""
