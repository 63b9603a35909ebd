"""Which rows name which files of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.merging.file_name_columns import Namings
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.row_rewriting import ACTION
from edms_tasks.quoting import literal


@dataclass(frozen=True)
class Owners:
    """The file names that rows contain, for one folder. A name can be in several of the sets."""

    of_target: frozenset[str]  # in rows of the target that do not change
    of_snapshot: frozenset[str]  # in merged rows of the snapshot
    of_new_rows: frozenset[str]  # in merged rows that the target does not have


def owners(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], namings: Namings, root: str
) -> Owners:
    """Collect the names of files in the folder `root` that rows of both sides contain."""
    return Owners(
        frozenset(_of_target(cursor, matched, policies, namings, root)),
        frozenset(named_files(cursor, matched, namings, root)),
        frozenset(named_files(cursor, matched, namings, root, f'r."{ACTION}" = {literal("insert")}')),
    )


def _of_target(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], namings: Namings, root: str
) -> set[str]:
    """The names that unchanged rows of the target hold."""
    names: set[str] = set()
    for table_id, target in matched.targets.items():
        for naming in namings[table_id]:
            if naming.root != root or not target.rows:
                continue
            text = naming.path(_text(target, naming.column, "t"))
            rows = matched.rewritten[table_id]
            settled = f"({written(policies[table_id])} OR o.\"{ACTION}\" = 'same')"
            theirs = f"NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND {settled})"
            found = cursor.execute(
                f"SELECT DISTINCT {text} FROM {target.relation} t WHERE {text} <> '' AND {theirs}"
            ).fetchall()
            names |= {str(name) for (name,) in found}
    return names


def named_files(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, namings: Namings, root: str, condition: str = "true"
) -> set[str]:
    """The names of files in the folder `root` that merged rows of the snapshot contain, if `condition` (SQL over a row `r`) is true."""
    names: set[str] = set()
    for table_id, source in matched.sources.items():
        rows = matched.rewritten[table_id]
        for naming in namings[table_id]:
            if naming.root != root or not rows.rows:
                continue
            text = naming.path(_text(source, naming.column, "s"))
            found = cursor.execute(
                f"SELECT DISTINCT {text} FROM {source.relation} s JOIN {rows.relation} r ON {paired('s', 'r')} "
                f"WHERE {text} <> '' AND {condition}"
            ).fetchall()
            names |= {str(name) for (name,) in found}
    return names


def _text(rows: Identified, column: str, alias: str) -> str:
    held = rows.held(column)
    return text_value(column, held.kind, "tagged" if held.tagged else "native", alias=alias)
