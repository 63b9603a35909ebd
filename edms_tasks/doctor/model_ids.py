"""The ids of all models, for the search for undeclared references by the rules of a merge in which every id changes."""

from __future__ import annotations

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.scratch.workspace import relation
from edms_tasks.undeclared.likely_ids import TARGET_IDS

# Every small number is an id of these, and hardly any column outside Django refers to them.
_OF_DJANGO = ("django_", "auth_permission")


def tabulate_model_ids(cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys) -> list[Table]:
    """Fill `TARGET_IDS` with the ids of all models; returns the tables by their number in it."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {TARGET_IDS} (target INTEGER, value VARCHAR, number BIGINT, moves BOOLEAN)"
    )
    targets: list[Table] = []
    for table in keys.tables.values():
        raw = keys.raws[table.id]
        link = any(reference.kind == "many_to_many" for reference in table.references)
        if (
            table.model is None
            or link
            or table.name.startswith(_OF_DJANGO)
            or len(table.primary_key) != 1
            or not raw.rows
        ):
            continue
        (pk,) = table.primary_key
        if table.column(pk).logical_type not in ("integer", "uuid"):
            continue
        value = bare_uuid(text_value(pk, keys.types[table.id][pk], raw.encodings.get(pk, "native")))
        cursor.execute(
            f"INSERT INTO {TARGET_IDS} SELECT {len(targets)}, {value}, TRY_CAST({value} AS BIGINT), true FROM {relation(table, raw)}"
        )
        targets.append(table)
    return targets
