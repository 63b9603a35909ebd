"""How a declaration would describe a place with undeclared ids: the text before each id, or the character between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import duckdb

from edms_tasks.quoting import literal
from edms_tasks.undeclared.collected_values import JOINED_FORM, ValuePlace
from edms_tasks.undeclared.ids_in_texts import FORMS, ID, OTHER_LIST

IN_TEXTS = frozenset(
    {"word", "sign", "tag", "typed", "typed id", "list", "element", "inner element", "padded", OTHER_LIST, JOINED_FORM}
)
"""The forms of ids that are found in texts; those of JSON have a path, which says more."""

ONLY_IF_SPELLED = frozenset({"list"})
"""Forms of `IN_TEXTS` that are known as something else unless a declaration can describe them: lists with commas are JSON too."""

_EXAMINED = 1_000  # texts
_ALIKE = 0.9
_SEPARATORS = ";|/"


def spelled(cursor: duckdb.DuckDBPyConnection, place: ValuePlace, texts: str) -> tuple[str, str] | None:
    """The key and the value that a declaration has besides column and target: `pattern` and `#%d`.

    Args:
        cursor: where to compute.
        place: where the ids are.
        texts: a SELECT of (text): the column's values.

    Returns:
        None if no declaration describes the place, or the texts differ.
    """
    if place.form == "list":
        separator = _most(
            mark
            for (text,) in cursor.execute(f"{texts} LIMIT {_EXAMINED}").fetchall()
            for mark in _SEPARATORS
            if mark in text
        )
        return ("separator", separator) if separator else None
    form = next((form for form in FORMS if form.name == place.form), None)
    if form is None or form.name not in ("word", "sign", "padded"):
        return None
    named = f" WHERE regexp_extract(whole, {literal(form.key)}, 1) = {literal(place.name)}" if form.key else ""
    whole = f"SELECT unnest(regexp_extract_all(text, {literal(form.whole)})) AS whole FROM ({texts})"
    found = cursor.execute(f"SELECT whole FROM ({whole}){named} LIMIT {_EXAMINED}").fetchall()
    pattern = _most(_pattern(whole) for (whole,) in found)
    return ("pattern", pattern) if pattern else None


def _pattern(whole: str) -> str:
    """The pattern of a declaration: `documents/%d` of `documents/17/`, `#%d` of ` #17,`, `{pk:07}` of 0000017; "" if several ids follow."""
    ids = list(re.finditer(ID, whole))
    if len(ids) != 1:
        return ""
    before = whole[: ids[0].start()].lstrip()
    zeros = len(before) - len(before.rstrip("0"))
    if zeros:
        return f"{before.rstrip('0')}{{pk:0{zeros + len(ids[0][0])}}}"
    return f"{before}%d" if before else ""


def _most(values: Iterable[str]) -> str:
    """The value that nearly all are; "" if they differ."""
    counted = Counter(values)
    if not counted:
        return ""
    ((value, count),) = counted.most_common(1)
    return value if count >= _ALIKE * counted.total() else ""
