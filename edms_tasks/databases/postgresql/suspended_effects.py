"""What PostgreSQL would do by itself when rows are written, and what a merge sets aside until they are: triggers, rules, counters.

The snapshot has the rows that triggers and rules would write. What cannot be set aside, such as event triggers, is noticed afterwards:
no table may change that the merge does not write to, because nobody reads it again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edms_tasks.databases.postgresql.catalogue import Connection
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier

_MODES = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_TRIGGERS = """
    SELECT tgname, tgenabled::text FROM pg_catalog.pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal
    AND tgenabled <> 'D' ORDER BY 1
"""
_RULES = "SELECT rulename, ev_enabled::text FROM pg_catalog.pg_rewrite WHERE ev_class = %s::regclass AND ev_enabled <> 'D' ORDER BY 1"
_FOREIGN_KEYS = """
    SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'
    AND NOT condeferrable AND conparentid = 0 ORDER BY 1
"""
_WHOLE = """
    SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.pg_partition_root(%s::regclass)
"""
CHANGED_TABLES = """
    SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
        AND pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)
            + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) > 0
    ORDER BY 1, 2
"""
"""The tables to which the transaction has written, as the server counts."""


@dataclass(frozen=True)
class Suspended:
    """Statements that set something aside, and those that bring it back."""

    aside: tuple[str, ...]
    back: tuple[str, ...]


def triggers_and_rules(connection: Connection, tables: Sequence[Table]) -> Suspended:
    """Disable the triggers and rules of these tables."""
    aside, back = [], []
    for table in tables:
        name = identifier(table.schema_name, table.name)
        for kind, query in (("TRIGGER", _TRIGGERS), ("RULE", _RULES)):
            for found, mode in connection.execute(query.encode(), (name,)).fetchall():
                aside.append(f"ALTER TABLE {name} DISABLE {kind} {identifier(str(found))}")
                back.append(f"ALTER TABLE {name} {_MODES[str(mode)]} {kind} {identifier(str(found))}")
    return Suspended(tuple(aside), tuple(back))


def strict_foreign_keys(connection: Connection, tables: Sequence[Table]) -> Suspended:
    """Make foreign keys deferrable that are not: rows that refer to each other have no possible order."""
    aside, back = [], []
    for table in tables:
        name = identifier(table.schema_name, table.name)
        for (found,) in connection.execute(_FOREIGN_KEYS.encode(), (name,)).fetchall():
            constraint = f"ALTER TABLE {name} ALTER CONSTRAINT {identifier(str(found))}"
            aside.append(f"{constraint} DEFERRABLE")
            back.append(f"{constraint} NOT DEFERRABLE")
    return Suspended(tuple(aside), tuple(back))


def identities(connection: Connection, tables: Sequence[Table]) -> Suspended:
    """Let columns be updated whose values the server always makes itself. Those of a partition are of its partitioned table."""
    columns = []
    for table in tables:
        named = [
            column.name
            for column in table.columns
            if column.identity == "always" and column.name not in table.primary_key
        ]
        name = identifier(table.schema_name, table.name)
        if named:
            for schema, whole in connection.execute(_WHOLE.encode(), (name,)).fetchall():
                name = identifier(str(schema), str(whole))
        columns += [f"ALTER TABLE {name} ALTER COLUMN {identifier(one)} SET GENERATED" for one in named]
    columns = [*dict.fromkeys(columns)]
    return Suspended(tuple(f"{one} BY DEFAULT" for one in columns), tuple(f"{one} ALWAYS" for one in columns))


def changed_besides(found: Collection[tuple[object, ...]], tables: Sequence[Table]) -> list[str]:
    """The tables among those found by CHANGED_TABLES that are not among these."""
    known = {(table.schema_name, table.name) for table in tables}
    return [identifier(str(schema), str(name)) for schema, name in found if (schema, name) not in known]
