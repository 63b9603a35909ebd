"""Rows that a unique key does not allow together: only the database that holds them can evaluate its conditions and terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier


@dataclass(frozen=True)
class RefusedRow:
    """A row that a constraint refuses, by its primary key as texts; beside the others of its group, or alone if `group` is ""."""

    constraint: str
    group: str
    key: tuple[str, ...]


def unique_queries(table: Table, relation: str) -> Iterator[tuple[str, str]]:
    """For each unique key: its name, and a query of (group, primary key …) as texts of the rows that it does not allow together.

    Args:
        table: in the database's catalogue, with its `unique_rules`.
        relation: the quoted name of the table with the rows.
    """
    for unique in table.unique_keys:
        tests = [f"{identifier(column)} IS NULL" for column in unique.where_null]
        tests += [f"{identifier(column)} IS NOT NULL" for column in unique.where_filled]
        if unique.condition:
            tests = [f"({unique.condition})"]
        terms = [identifier(column) for column in unique.columns]
        if tests or not unique.partial:
            yield unique.name, _query(table, relation, terms, tests, nulls_distinct=unique.nulls_distinct)
    for rule in table.unique_rules:
        if rule.terms:
            tests = [f"({rule.condition})"] if rule.condition else []
            yield rule.name, _query(table, relation, list(rule.terms), tests, nulls_distinct=True)


def _query(table: Table, relation: str, terms: list[str], tests: list[str], *, nulls_distinct: bool) -> str:
    if nulls_distinct:
        tests = [*tests, *(f"({term}) IS NOT NULL" for term in terms)]
    same = ", ".join(terms)
    key = [identifier(column) for column in table.primary_key]
    names = [f"k{number}" for number, _ in enumerate(key)]
    shown = ", ".join(f"CAST({column} AS TEXT) AS {name}" for column, name in zip(key, names, strict=True))
    return f"""
        SELECT CAST(g AS TEXT), {", ".join(names)}
        FROM (
            SELECT dense_rank() OVER (ORDER BY {same}) AS g, count(*) OVER (PARTITION BY {same}) AS c, {shown}
            FROM {relation}
            WHERE {" AND ".join(tests) or "1 = 1"}
        ) x
        WHERE c > 1
    """
