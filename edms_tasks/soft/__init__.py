"""Soft references on real rows: ids in plain columns, lists, JSON and strings, looked up and written as natural keys.

`columns.py` makes one relation for each column with such ids: value -> content text, and for each reference the rows it refers
to. `texts.py`, `tags.py` and `json_ids.py` find the ids in the forms of values; `ids.py` looks them up; `rewriting.py` replaces
them, on documents parsed by `documents.py`. All but the latter is set-based: each different value is parsed once.
"""

from __future__ import annotations

from edms_tasks.soft.columns import SoftColumn, tabulate_soft_column, unreadable
from edms_tasks.soft.ids import Ids, id_text, marked, no_ids, tabulate_ids

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
