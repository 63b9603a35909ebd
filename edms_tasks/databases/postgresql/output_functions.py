"""SQL for a value's text as its type's output function writes it; pg_dump uses the same, and the input function reads it back.

A cast to text is not the same: `bpchar` loses its trailing blanks, and a type may define any cast to text.
"""

from __future__ import annotations


def output_text(expression: str) -> str:
    """SQL for the text of a value; NULL stays NULL. A row whose fields are all NULL is not NULL.

    `concat` takes any type and calls its output function (src/backend/utils/adt/varlena.c, concat_internal). It costs as much as
    a cast (docs/decisions/006-postgresql-text.md).
    """
    return f"CASE WHEN {expression} IS DISTINCT FROM NULL THEN pg_catalog.concat({expression}) END"
