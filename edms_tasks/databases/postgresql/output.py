"""A value's text as its type's output function writes it: what pg_dump reads, and what the input function takes back.

A cast to text is something else. `bpchar` loses its blanks in it, and a type may have a cast of its own to text that
says anything.
"""

from __future__ import annotations


def output_text(expression: str) -> str:
    """SQL for the text; NULL stays NULL, also in a row whose fields are all NULL.

    `concat` takes any type and calls its output function (src/backend/utils/adt/varlena.c, concat_internal); it costs
    what a cast costs (docs/decisions/006-postgresql-text.md).
    """
    return f"CASE WHEN {expression} IS DISTINCT FROM NULL THEN pg_catalog.concat({expression}) END"
