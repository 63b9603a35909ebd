"""Soft references on real rows: ids in plain columns, lists, JSON and strings, looked up and written as natural keys.

`soft_columns.py` makes one relation for each column with such ids: value -> content text, and for each reference the rows it
refers to. `text_ids.py`, `tag_ids.py` and `json_ids.py` find the ids in the forms of values; `id_lookup.py` looks them up;
`value_rewriting.py` replaces them, on documents parsed by `json_positions.py`. All but the latter is set-based: each different
value is parsed once.
"""

from __future__ import annotations

from edms_tasks.soft.id_lookup import Ids, id_text, marked, no_ids, tabulate_ids
from edms_tasks.soft.soft_columns import SoftColumn, tabulate_soft_column, unreadable

__all__ = [
    "Ids",
    "SoftColumn",
    "id_text",
    "marked",
    "no_ids",
    "tabulate_ids",
    "tabulate_soft_column",
    "unreadable",
]
