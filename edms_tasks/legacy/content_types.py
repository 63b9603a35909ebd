"""Content types of a backup that lacks what refers to them: matched with those that the EDMS's migrations made, by app and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edms_tasks.inventory.model import CONTENT_TYPES
from edms_tasks.legacy.placed_keys import PlacedKeys
from edms_tasks.legacy.staged_models import StagedModel
from edms_tasks.quoting import literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, relation


def combine_content_types(keys: PlacedKeys, staged: StagedModel, seeds: Mapping[str, RawTable], path: Path) -> str:
    """Let a content type of the backup have the key of the migrations' one of the same app and model.

    The rows of migrations stay, since permissions refer to them. Returns a relation of (n): rows of the backup that are there already.
    """
    app, model = staged.position("app_label"), staged.position("model")
    columns = {column.name for column in staged.columns}
    assert columns == {"app_label", "model"}, columns
    made = relation(staged.model.table, seeds[CONTENT_TYPES])
    seed = f"SELECT -row_number() OVER (ORDER BY id) AS n, CAST(id AS VARCHAR) AS id, app_label, model FROM {made}"

    def row(text: str) -> str:
        return f"to_json({text})"

    values = {f"j{app}": row("app_label"), f"j{model}": row("model"), f"v{app}": "app_label", f"v{model}": "model"}
    seeded = ", ".join(f"{value} AS {name}" for name, value in values.items())
    own = ", ".join(values)
    keys.cursor.execute(
        f"COPY (SELECT n, CAST(NULL AS VARCHAR) AS pk, CAST(NULL AS JSON) AS parent, {seeded} FROM ({seed}) UNION ALL "
        f"SELECT n, pk, parent, {own} FROM {staged.relation}) TO {literal(str(path))} {AS_PARQUET}"
    )
    both = replace(staged, path=path)
    keys.staged[CONTENT_TYPES] = both  # type: ignore[index]
    named = f"SELECT n, pk, (j{app} ->> '$') AS app_label, (j{model} ->> '$') AS model FROM {both.relation} WHERE n > 0"
    matched = f"SELECT b.n, s.id FROM ({named}) b JOIN ({seed}) s USING (app_label, model)"
    highest = f"(SELECT coalesce(max(CAST(id AS BIGINT)), 0) FROM ({seed}))"
    others = (
        f"SELECT n, CAST({highest} + row_number() OVER (ORDER BY n) AS VARCHAR) AS id FROM ({named}) "
        f"WHERE n NOT IN (SELECT n FROM ({matched}))"
    )
    keys.kept(("id", CONTENT_TYPES), f"SELECT n, id FROM ({seed}) UNION ALL {matched} UNION ALL {others}")
    joined = f"(j{app} ->> '$') || chr(31) || (j{model} ->> '$')"
    keys.kept(("nk", CONTENT_TYPES), f"SELECT {joined} AS nk, max(n) AS tn FROM {both.relation} GROUP BY 1")
    return keys.kept(("there", CONTENT_TYPES), f"SELECT n FROM ({matched})")
