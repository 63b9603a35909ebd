"""How many rows an INSERT of a dump adds."""

from __future__ import annotations

import pytest

from edms_tasks.databases.postgresql.dump_statements import inserted_rows


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        (b"INSERT INTO t VALUES (1, 'a')", 1),
        (b"INSERT INTO public.t (a, \"b)\") VALUES (1, 'we share values\nfoo (and bar) (both)')", 1),
        (b"INSERT INTO t VALUES (1, ' VALUES\n(1)(2)')", 1),
        (b"INSERT INTO public.t VALUES\n\t(1, 'a'),\n\t(2, 'it''s (not) one')", 2),
        (
            b"INSERT INTO \"odd \"\"t\" (a, \"b)\") OVERRIDING SYSTEM VALUE VALUES\n\t(1, 'x'),\n\t(2, 'y'),\n\t(3, 'z')",
            3,
        ),
    ],
)
def test_rows_are_counted_outside_of_texts(statement: bytes, rows: int) -> None:
    assert inserted_rows(statement) == rows
