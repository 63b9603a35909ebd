"""Names of files in rows."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.pairing import paired
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.rewriting import ACTION


def spoken_for(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], root: str
) -> set[str]:
    """The names of files in a folder that unchanged rows of the target name."""
    names: set[str] = set()
    for table_id, target in matched.targets.items():
        for column, held_root in target.table.file_columns:
            if held_root != root or not target.rows:
                continue
            held = target.held(column)
            text = text_value(column, held.kind, "tagged" if held.tagged else "native", alias="t")
            rows = matched.rewritten[table_id]
            settled = f"({written(policies[table_id])} OR o.\"{ACTION}\" = 'same')"
            theirs = f"NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND {settled})"
            found = cursor.execute(
                f"SELECT DISTINCT {text} FROM {target.relation} t WHERE {text} <> '' AND {theirs}"
            ).fetchall()
            names |= {str(name) for (name,) in found}
    return names
