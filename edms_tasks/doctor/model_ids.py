"""The ids of all models, for the search for undeclared references by the rules of a merge in which every id changes."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.scratch.workspace import relation
from edms_tasks.undeclared.likely_ids import TARGET_IDS, Suspect
from edms_tasks.undeclared.names_of_models import IDS_OF_ANYTHING


def tabulate_model_ids(cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys) -> list[Table]:
    """Fill `TARGET_IDS` with the ids of all models; returns the tables by their number in it."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {TARGET_IDS} (target INTEGER, value VARCHAR, number BIGINT, moves BOOLEAN)"
    )
    targets: list[Table] = []
    for table in keys.tables.values():
        raw = keys.raws[table.id]
        link = any(reference.kind == "many_to_many" for reference in table.references)
        if table.model is None or link or table.name in IDS_OF_ANYTHING or len(table.primary_key) != 1 or not raw.rows:
            continue
        (pk,) = table.primary_key
        if table.column(pk).logical_type not in ("integer", "uuid"):
            continue  # a key that is a word means the same in every system
        value = bare_uuid(text_value(pk, keys.types[table.id][pk], raw.encodings.get(pk, "native")))
        cursor.execute(
            f"INSERT INTO {TARGET_IDS} SELECT {len(targets)}, {value}, TRY_CAST({value} AS BIGINT), true FROM {relation(table, raw)}"
        )
        targets.append(table)
    return targets


def readable_targets(suspect: Suspect, targets: Sequence[Table]) -> str:
    """The likeliest model, and the others that the ids may be of."""
    first, *others = (targets[number].label for number in suspect.targets)
    return f"{first} (or of {' or '.join(others)})" if others else first
