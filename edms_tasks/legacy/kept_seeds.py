"""Which rows of the EDMS's migrations stay beside those of an old backup."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from edms_tasks.inventory.model import CONTENT_TYPES
from edms_tasks.legacy.code_models import CodeModel
from edms_tasks.legacy.staged_models import StagedModel
from edms_tasks.scratch.raw_table import RawTable


def kept_seeds(
    models: Mapping[str, CodeModel], in_backup: Mapping[str, StagedModel], seeds: Mapping[str, RawTable]
) -> list[str]:
    """The tables whose rows from migrations stay: the backup has none, and they refer to no table whose rows are replaced.

    Args:
        models: the models of the code.
        in_backup: Table.id -> the model, of all that have rows in the backup.
        seeds: Table.id -> the rows that the migrations made.
    """
    through = {many.table.id for staged in in_backup.values() for many in staged.model.many.values()}
    kept = {table for table, raw in seeds.items() if raw.rows and table not in in_backup and table not in through}
    while True:
        replaced: Collection[str] = set(in_backup) - {CONTENT_TYPES}
        gone = {
            table for table in kept if targets(models, table) & (set(replaced) | (set(seeds) - kept - set(in_backup)))
        }
        if not gone:
            return sorted(kept)
        kept -= gone


def targets(models: Mapping[str, CodeModel], table: str) -> set[str]:
    """The tables to which a model's table refers."""
    model = next((model for model in models.values() if model.table.id == table), None)
    return {reference.target for reference in model.references.values()} if model is not None else set()
