"""Match the tables of both sides: pair rows, assign ids, rewrite references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.errors import MergeRefused
from edms_tasks.inventory.model import Table
from edms_tasks.merging.id_map import DanglingIds, IdMap, collect_dangling, map_ids
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.merging.row_rewriting import Rewritten, rewrite, tabulate_generic_ids
from edms_tasks.merging.soft_values import rewritten_values
from edms_tasks.merging.stray_file_ids import IdsInNames, collect_strays
from edms_tasks.scratch.workspace import Workspace

_LOST, _LEFT, _GENERIC = "lost_ids", "left_ids", "generic_ids"


@dataclass(frozen=True)
class Matched:
    """The result of matching, by table id: both sides' rows, the id map, and the snapshot's rows rewritten for the target."""

    sources: Mapping[str, Identified]
    targets: Mapping[str, Identified]
    id_maps: Mapping[str, IdMap]
    rewritten: Mapping[str, Rewritten]


def match_tables(
    workspace: Workspace,
    sources: Mapping[str, Identified],
    targets: Mapping[str, Identified],
    folder: Path,
    *,
    files: IdsInNames | None = None,
    own_edms: bool = False,
) -> Matched:
    """Match all tables of both sides, which are given by table id.

    Args:
        workspace: where to compute.
        sources: the snapshot's rows.
        targets: the target's rows.
        folder: for the results; created.
        files: the ids in the names of files.
        own_edms: whether the snapshot belongs to the target's EDMS. Then an id without a row means the same on both sides.

    Raises:
        CheckFailed, MergeRefused: rows cannot be matched.
    """
    folder.mkdir(parents=True)
    tables = [found.table for found in sources.values()]
    with workspace.cursor() as cursor:
        lost = collect_dangling(cursor, sources, _LOST)
        left = collect_dangling(cursor, targets, _LEFT, but_not_in=sources)
        named = files or IdsInNames()
        strays = (
            collect_strays(cursor, sources, named.snapshot, "stray_ids"),
            collect_strays(cursor, targets, named.target, "stray_ids_left"),
        )
        id_maps = _id_maps(cursor, tables, sources, targets, lost, left, strays, folder, own_edms=own_edms)
        tabulate_generic_ids(cursor, sources, id_maps, _GENERIC)
        rewritten = {}
        for number, table in enumerate(tables):
            source, target = sources[table.id], targets[table.id]
            rewritten[table.id] = rewrite(
                cursor,
                source,
                target,
                id_maps,
                folder / f"rows-{number:04d}.parquet",
                soft={
                    column: changed
                    for position, column in enumerate(table.soft_columns)
                    if (
                        changed := rewritten_values(
                            cursor, source, column, id_maps, folder / f"soft-{number:04d}-{position}.parquet"
                        )
                    )
                },
                generic=_GENERIC,
            )
    return Matched(sources, targets, id_maps, rewritten)


def _id_maps(
    cursor: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    sources: Mapping[str, Identified],
    targets: Mapping[str, Identified],
    lost: DanglingIds,
    left: DanglingIds,
    strays: tuple[DanglingIds, DanglingIds],
    folder: Path,
    *,
    own_edms: bool,
) -> dict[str, IdMap]:
    """The ids of all tables; parents come before children that share their ids, and so do rows whose ids are in ids of others."""
    found: dict[str, IdMap] = {}
    waiting = list(enumerate(tables))
    while waiting:
        later = []
        for number, table in waiting:
            parent = table.parent
            if parent in (None, table.id) or parent not in sources or len(sources[parent].table.primary_key) != 1:
                parent = None
            elif parent not in found:
                later.append((number, table))
                continue
            if _waits_for(table, sources) - found.keys():
                later.append((number, table))
                continue
            id_map = map_ids(
                cursor,
                sources[table.id],
                targets[table.id],
                folder / f"ids-{number:04d}.parquet",
                dangling_source=lost,
                dangling_target=left,
                strays=strays,
                parent=found[parent] if parent else None,
                spelled=_spelled(cursor, sources[table.id], found, folder / f"ids-{number:04d}-spelled.parquet"),
                own_edms=own_edms,
            )
            if id_map is not None:
                found[table.id] = id_map
        if len(later) == len(waiting):
            names = ", ".join(table.label for _, table in later)
            raise MergeRefused(
                "Models share their ids in a circle, so no order of inserting them works.",
                where=names,
                fix="Restore the snapshot with --into instead of merging it.",
            )
        waiting = later
    return found


def _waits_for(table: Table, sources: Mapping[str, Identified]) -> set[str]:
    """The tables whose ids are declared in this one's primary key, as far as rows of them are merged."""
    held = {one.target for one in table.soft_references if (one.column,) == table.primary_key}
    return {one for one in held - {table.id} if one in sources and len(sources[one].table.primary_key) == 1}


def _spelled(
    cursor: duckdb.DuckDBPyConnection, source: Identified, found: Mapping[str, IdMap], path: Path
) -> str | None:
    """The ids of a table's rows that change because declared ids in them do; None if there are none."""
    table = source.table
    if not source.rows or not any((one.column,) == table.primary_key for one in table.soft_references):
        return None
    return rewritten_values(cursor, source, table.primary_key[0], found, path)
