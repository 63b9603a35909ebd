"""Soft references on real rows: ids in plain columns, lists, JSON and strings, looked up and written as natural keys.

`columns.py` makes one relation for each column that holds such ids: value -> content text, and for each reference what
it points at. It asks `texts.py` and `documents.py` for the two families of forms; `ids.py` looks the ids up. All of it is
set-based: each different value is taken apart once, whatever number of rows hold it.
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
