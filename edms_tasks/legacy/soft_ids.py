"""Ids in texts and JSON that only the settings declare, where the rows that they name got other ids.

With `--natural-primary` the old ids are lost: such an id leads nowhere, and must not lead to another row by chance.
"""

from __future__ import annotations

from collections.abc import Iterator

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, SoftReference
from edms_tasks.legacy.placed_keys import PlacedKeys
from edms_tasks.legacy.staged_models import StagedModel


def highest_soft_id(keys: PlacedKeys, table: str, below: int) -> int:
    """The highest number under `below` in any column of a table that is declared to hold ids; 0 for none."""
    staged, found = keys.staged[table], 0
    for _, text in _columns(staged):
        numbers = f"unnest(regexp_extract_all({text}, '[0-9]{{1,10}}'))"
        found = max(
            found,
            keys.number(
                f"SELECT max(number) FROM (SELECT TRY_CAST(one AS BIGINT) AS number FROM "
                f"(SELECT {numbers} AS one FROM {staged.relation})) WHERE number < {below}"
            ),
        )
    return found


def lost_soft_ids(keys: PlacedKeys, table: str) -> Iterator[Finding]:
    """The findings on columns that hold ids of rows whose keys were assigned anew."""
    staged = keys.staged[table]
    for reference, text in _columns(staged):
        if reference.target not in keys.assigned:
            continue
        count = keys.number(f"SELECT count(*) FROM {staged.relation} WHERE regexp_matches({text}, '[0-9]')")
        if count:
            target = keys.staged[reference.target].model.label
            column = staged.model.table.column(reference.column)
            message = (
                f"The settings say that this column holds ids of {target}, whose ids the backup lacks (`--natural-primary`): they lead "
                "nowhere. They are kept as they are; no row has such an id."
            )
            subject = f"{staged.model.label}.{column.field or column.name}"
            yield make_finding("old-reference-unresolved", subject, message, count=count)


def _columns(staged: StagedModel) -> Iterator[tuple[SoftReference, str]]:
    """Each declared reference, with SQL for its column's value as text."""
    there = {column.name for column in staged.columns if staged.has_value(column)}
    for reference in staged.model.table.soft_references:
        if reference.column in there:
            yield reference, f"CAST(v{staged.position(reference.column)} AS VARCHAR)"
