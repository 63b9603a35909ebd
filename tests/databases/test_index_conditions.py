"""Conditions of partial indexes are understood as far as they test columns for NULL, and no further."""

from __future__ import annotations

import pytest

from edms_tasks.databases.index_conditions import null_tests


@pytest.mark.parametrize(
    ("clause", "tests"),
    [
        ('"owner_id" IS NULL', (("owner_id",), ())),
        ("(owner_id IS NULL)", (("owner_id",), ())),
        ("owner_id is not null", ((), ("owner_id",))),
        ('((owner_id IS NULL) AND ("Name of it" IS NOT NULL))', (("owner_id",), ("Name of it",))),
        ('("a ""quoted"" name" IS NULL)', (('a "quoted" name',), ())),
        ('("a ) in it" IS NULL)', (("a ) in it",), ())),
        ('"a IS NULL" IS NULL', (("a IS NULL",), ())),
        ("owner_id = 1", None),
        ("((owner_id IS NULL) OR (name IS NULL))", None),
        ("((owner_id IS NULL) AND (NOT deleted))", None),
        ("(NOT (owner_id IS NULL))", None),
        ("(lower(name) IS NULL)", None),
        ('"a AND b" IS NULL', None),
        ("(a IS NULL) AND (b IS NULL)", (("a", "b"), ())),
        ("", None),
    ],
)
def test_a_condition_is_parsed_or_reported_as_unknown(
    clause: str, tests: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> None:
    assert null_tests(clause) == tests
