"""The ids of a database's tables: what an inventory, a manifest and findings call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from edms_tasks.databases.postgresql.connection import OwnNames
from edms_tasks.quoting import identifier

_RELATIONS = """
    SELECT n.nspname::text, c.relname::text, c.relkind IN ('r', 'p')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2
"""
_WITHOUT_PATH = "public"  # where Django's tables are if the search path leads nowhere


class TableIds:
    """Table ids by schema and name: the name alone where the EDMS's sessions find the table by it, "schema.name" elsewhere.

    Django names its tables without a schema, so the server takes the first relation of that name along the search path; that need
    not be in the schema in which new tables are made.
    """

    def __init__(
        self,
        connection: psycopg.Connection[tuple[object, ...]],
        own: OwnNames,
        recorded: Mapping[tuple[str | None, str], str] | None = None,
    ) -> None:
        """
        Args:
            connection: to the database.
            own: its search path for the EDMS's sessions.
            recorded: ids that tables have in a snapshot; they keep these, since its references and proofs name them.
        """
        rows: list[Any] = connection.execute(_RELATIONS.encode()).fetchall()
        tables = [(schema, name) for schema, name, is_table in rows if is_table]
        self._ids = {names: id for names in tables if (id := (recorded or {}).get(names)) is not None}
        taken = set(self._ids.values())
        found = _found_by_name([(schema, name) for schema, name, _ in rows], own.schemas or (_WITHOUT_PATH,))
        for plain in (True, False):
            for schema, name in tables:
                if (schema, name) in self._ids or (found.get(name) == schema) is not plain:
                    continue
                spellings = ((name,) if plain else ()) + (f"{schema}.{name}", identifier(schema, name))
                # Names may have dots in them.
                self._ids[schema, name] = next(one for one in spellings if one not in taken)
                taken.add(self._ids[schema, name])

    def __call__(self, schema: str, name: str) -> str:
        """The id of a table of the database."""
        return self._ids[schema, name]


def _found_by_name(relations: list[tuple[str, str]], path: tuple[str, ...]) -> dict[str, str]:
    """Name -> the first schema on the path that has a relation of that name."""
    found: dict[str, str] = {}
    for place in reversed(path):
        found.update((name, schema) for schema, name in relations if schema == place)
    return found
