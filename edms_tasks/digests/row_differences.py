"""Find the rows that differ, by primary key and column, after digests differed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.table_state import chunks
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier
from edms_tasks.redaction import NOT_SHOWN, NOTHING_HIDDEN, Redaction
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, column_types, relation

_LONGEST_VALUE = 80


def explain(
    entry: TableEntry,
    files: Sequence[Path],
    raw: RawTable,
    workspace: Workspace,
    *,
    limit: int = 5,
    redaction: Redaction = NOTHING_HIDDEN,
    columns: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Sentences about missing, unexpected, duplicate and changed rows, up to `limit` of each kind (changed: of each column).

    Args:
        entry: the snapshot's table.
        files: its chunks.
        raw: the rows that were read back.
        workspace: where to compute.
        limit: the most sentences of each kind.
        redaction: which values may be shown.
        columns: the columns that can differ, as the hashes of blocks show; None: all.
    """
    table = entry.table
    if not table.primary_key:
        return ("The table has no primary key, so its rows cannot be compared one by one.",)
    if not files:
        return (f"{raw.rows} rows that the snapshot does not have.",)
    now = relation(table, raw)
    with workspace.cursor() as cursor:
        was = chunks(cursor, table, entry.natural_key, files)
        was_types, now_types = column_types(cursor, was), column_types(cursor, now)
        names = [column.name for column in table.columns if column.name in was_types and column.name in now_types]

        def text(alias: str, name: str) -> str:
            return text_of(f"{alias}.{identifier(name)}", (was_types if alias == "w" else now_types)[name])

        match = " AND ".join(f"{text('w', name)} IS NOT DISTINCT FROM {text('n', name)}" for name in table.primary_key)
        label_was = " || ', ' || ".join(f"coalesce({text('w', name)}, 'NULL')" for name in table.primary_key)
        label_now = " || ', ' || ".join(f"coalesce({text('n', name)}, 'NULL')" for name in table.primary_key)
        key = ", ".join(table.primary_key)
        secret = any(redaction.hides(table, name) for name in table.primary_key)
        nameless = secret or redaction.hides_key(table.id)

        def id_of(value: str) -> str:
            return NOT_SHOWN if secret else value

        sentences = [
            f"missing: the row with {key} = {id_of(value)}{'' if nameless else f' (natural key {natural})'}"
            for value, natural in cursor.execute(
                f'SELECT {label_was}, w."@key" FROM {was} w WHERE NOT EXISTS (SELECT 1 FROM {now} n WHERE {match}) ORDER BY 1 LIMIT {limit}'
            ).fetchall()
        ]
        sentences += [
            f"unexpected: the row with {key} = {id_of(value)}"
            for (value,) in cursor.execute(
                f"SELECT {label_now} FROM {now} n WHERE NOT EXISTS (SELECT 1 FROM {was} w WHERE {match}) ORDER BY 1 LIMIT {limit}"
            ).fetchall()
        ]
        sentences += [
            f"duplicate: {count} rows with {key} = {id_of(value)}"
            for value, count in cursor.execute(
                f"SELECT {label_now}, count(*) FROM {now} n GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT {limit}"
            ).fetchall()
        ]
        for name in names:
            if name in table.primary_key or (columns is not None and name not in columns):
                continue
            differs = f"{text('w', name)} IS DISTINCT FROM {text('n', name)}"
            hidden = redaction.hides(table, name)
            for value, before, after in cursor.execute(
                f"SELECT {label_was}, {text('w', name)}, {text('n', name)} FROM {was} w JOIN {now} n ON {match} "
                f"WHERE {differs} ORDER BY 1 LIMIT {limit}"
            ).fetchall():
                shown = "values not shown" if hidden else f"{_short(before)} became {_short(after)}"
                sentences.append(f"changed: {name} of the row with {key} = {id_of(value)}: {shown}")
    return tuple(sentences)


def _short(value: object) -> str:
    if value is None:
        return "NULL"
    text = repr(str(value))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
