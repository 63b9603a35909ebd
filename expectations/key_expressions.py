"""A natural key as SQL of the database: joins and an expression for each part of the key.

A part may pass through references (`document.number`). If it ends on a reference, the id stands for the row that it points at, whose
key is checked by the suite of its own table. Keys are compared byte by byte, whatever collation a column has; references are followed
as the database follows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edms_tasks.databases.comparable_sql import comparable, equal
from edms_tasks.inventory.model import ForeignReference, NaturalKey, Table
from edms_tasks.inventory.natural_keys import generic_of
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier


@dataclass(frozen=True)
class KeyQuery:
    """The FROM clause that reaches all parts of a natural key, and one expression for each part."""

    source: str
    parts: tuple[str, ...]


def key_query(engine: str, entry: TableEntry, key: NaturalKey, entries: Mapping[str, TableEntry]) -> KeyQuery:
    """The SQL of a natural key, with exactly one result row for each row of the entry's table."""
    source = [f"{qualified(entry.table)} AS k"]
    aliases: dict[tuple[str, ...], str] = {(): "k"}
    parts: list[str] = []
    for path in key.paths:
        table = entry.table
        for hop, name in enumerate(path[:-1]):
            reference = _single_reference(table, name)
            came_from, here = path[:hop], path[: hop + 1]
            target = entries[reference.target].table
            if here not in aliases:
                aliases[here] = f"k{len(aliases)}"
                on = equal(
                    engine,
                    (aliases[came_from], table.column(name)),
                    (aliases[here], target.column(reference.target_columns[0])),
                )
                source.append(f"LEFT JOIN {qualified(target)} AS {aliases[here]} ON {on}")
            table = target
        part = comparable(engine, aliases[path[:-1]], table.column(path[-1]))
        generic = generic_of(table, path[-1]) if key.by_meaning else None
        if generic is not None:
            # The same number is another object under another content type.
            kind = comparable(engine, aliases[path[:-1]], table.column(generic.content_type_column))
            part = f"(coalesce(CAST({kind} AS TEXT) || ':', '') || CAST({part} AS TEXT))"
        parts.append(part)
    return KeyQuery("\n  ".join(source), tuple(parts))


def qualified(table: Table) -> str:
    """The table's quoted name for FROM, with its schema on engines that have schemas.

    Those engines get ONLY, because they would also return the rows of tables that inherit from it.
    """
    only = "" if table.schema_name is None else "ONLY "
    return only + identifier(table.schema_name, table.name)


def _single_reference(table: Table, column: str) -> ForeignReference:
    for reference in table.references:
        if isinstance(reference, ForeignReference) and reference.columns == (column,):
            return reference
    raise ValueError(f"{table.label}: the natural key passes through {column!r}, which is no reference")
