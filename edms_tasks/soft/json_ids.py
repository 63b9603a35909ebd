"""Ids in JSON, at declared paths. Content text: the document as a sorted list of [steps, value].

A document is walked down level by level, all documents at once, and only where a declared path can still lead to ids;
what lies beside the paths stays as it is, in one piece. Members are sorted because an engine that keeps them sorted
(jsonb) sorts by the id where the id is the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.inventory.json_paths import JsonPath, Step, parse_json_path
from edms_tasks.inventory.model import SoftReference
from edms_tasks.quoting import literal
from edms_tasks.soft.ids import Ids, json_text, marked, together

_NODES = "soft_nodes"
_ENTRIES = "soft_entries"
_SCALARS = "('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT')"

_Progress = frozenset[tuple[int, int]]
"""How far each path has been followed: (number of the reference, steps taken)."""


def of_paths(
    cursor: duckdb.DuckDBPyConnection, source: str, references: Sequence[SoftReference], ids: Sequence[Ids]
) -> str:
    """SQL of (n, content, r0, r1, …) for a relation of (n, text); what it selects from is made at once.

    A text that is no JSON has itself as content, as a JSON string.
    """
    paths = [parse_json_path(reference.expression) for reference in references]
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {_NODES} AS SELECT n, 0 AS state, '' AS steps, CAST(text AS JSON) AS value "
        # Without white space from the start, as what is taken out of it will be.
        f"FROM (SELECT n, CASE WHEN json_valid(text) THEN json(text) END AS text FROM {source}) WHERE text IS NOT NULL"
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_ENTRIES} (n BIGINT, entry VARCHAR, ref INTEGER, mark VARCHAR)")
    level: list[_Progress] = [frozenset((number, 0) for number in range(len(paths)))]
    while level:
        level = _walk_level(cursor, level, paths, ids)
    pointed = "".join(f", {together('mark', of=f'ref = {number}')} AS r{number}" for number in range(len(references)))
    return f"""
        SELECT
            b.n,
            coalesce('[' || e.entries || ']', {json_text("b.text")}) AS content,
            {", ".join(f"e.r{number}" for number in range(len(references)))}
        FROM {source} b
            LEFT JOIN (
                SELECT n, array_to_string(list_sort(list(entry) FILTER (entry IS NOT NULL)), ',') AS entries {pointed}
                FROM {_ENTRIES}
                GROUP BY n
            ) e ON e.n = b.n
    """


@dataclass(frozen=True)
class _State:
    """What is done with a node that was reached."""

    value: int | None  # the reference whose id it is, where it is a scalar
    key: int | None  # the reference whose ids its members' keys are
    moves: tuple[tuple[Step, int], ...]  # where a step leads, on the next level; named steps first


def _walk_level(
    cursor: duckdb.DuckDBPyConnection, level: Sequence[_Progress], paths: Sequence[JsonPath], ids: Sequence[Ids]
) -> list[_Progress]:
    """Turn the nodes of one level into entries and nodes of the next; returns the states of that."""
    below: list[_Progress] = []
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_NODES}_below AS SELECT * FROM {_NODES} WHERE false")
    for number, progress in enumerate(level):
        state = _state(progress, paths, below)
        scalar = f"CASE WHEN json_type(value) IN {_SCALARS} THEN value ->> '$' END"
        nodes = f"(SELECT *, json_type(value) AS kind, {scalar} AS atom FROM {_NODES} WHERE state = {number})"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_NODES}_here AS SELECT * FROM {nodes}")
        taken = ["false"]
        if state.value is not None:
            is_id = "atom <> ''"
            _insert_ids(cursor, is_id, state.value, ids[state.value])
            taken.append(is_id)
        for into in ("object", "array"):
            moves = [(step, target) for step, target in state.moves if step.into == into]
            if moves or (into == "object" and state.key is not None):
                # Without members a container has nothing to descend to, and stands for itself.
                full = f"kind = '{into.upper()}' AND CAST(value AS VARCHAR) NOT IN ('{{}}', '[]')"
                _descend(cursor, full, moves, state.key if into == "object" else None, ids)
                taken.append(full)
        cursor.execute(
            f"INSERT INTO {_ENTRIES} SELECT n, '[[' || steps || '],' || CAST(value AS VARCHAR) || ']', NULL, NULL "
            f"FROM {_NODES}_here WHERE NOT coalesce({' OR '.join(f'({one})' for one in taken)}, false)"
        )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_NODES} AS SELECT * FROM {_NODES}_below")
    return below


def _state(progress: _Progress, paths: Sequence[JsonPath], below: list[_Progress]) -> _State:
    value = min(
        (ref for ref, taken in progress if taken == len(paths[ref].steps) and not paths[ref].keys), default=None
    )
    key = min((ref for ref, taken in progress if paths[ref].keys and taken == len(paths[ref].steps) - 1), default=None)
    # A path that ends in keys does not go below them; one whose last step was taken ends here.
    onward = [(ref, taken) for ref, taken in progress if taken < len(paths[ref].steps) - paths[ref].keys]
    steps = sorted({paths[ref].steps[taken] for ref, taken in onward}, key=lambda step: (step.name is None, str(step)))
    moves = []
    for step in steps:
        fitting = frozenset(
            (ref, taken + 1) for ref, taken in onward if paths[ref].steps[taken] in (step, Step(step.into, None))
        )
        if fitting not in below:
            below.append(fitting)
        moves.append((step, below.index(fitting)))
    return _State(value, key, tuple(moves))


def _insert_ids(cursor: duckdb.DuckDBPyConnection, is_id: str, reference: int, ids: Ids) -> None:
    mark = marked("i", "h.atom")
    written = "CASE h.kind WHEN 'VARCHAR' THEN 'string' ELSE 'number' END"
    cursor.execute(
        f"""
        INSERT INTO {_ENTRIES}
        SELECT h.n, '[[' || h.steps || '],"' || {written} || '",' || {mark} || ']', {reference}, {mark}
        FROM (SELECT * FROM {_NODES}_here WHERE {is_id}) h
            {ids.join("i", "h.atom")}
        """
    )


def _descend(
    cursor: duckdb.DuckDBPyConnection,
    full: str,
    moves: Sequence[tuple[Step, int]],
    key: int | None,
    ids: Sequence[Ids],
) -> None:
    """Make nodes of a container's members; those that no path goes on with become entries when they are reached."""
    named = " ".join(f"WHEN {literal(step.name)} THEN {target}" for step, target in moves if step.name is not None)
    others = next((str(target) for step, target in moves if step.name is None), "-1")
    state = f"CASE e.key {named} ELSE {others} END" if named else others
    in_array = bool(moves) and moves[0][0].into == "array"
    step = "e.key" if in_array else json_text("e.key")
    join = ""
    if key is not None:
        step = f"CASE WHEN e.key <> '' THEN {marked('i', 'e.key')} ELSE {json_text('e.key')} END"
        join = ids[key].join("i", "e.key")
    members = f"""
        SELECT h.n, {state} AS state, h.steps || CASE WHEN h.steps = '' THEN '' ELSE ',' END || {step} AS steps, e.value,
            {marked("i", "e.key") if key is not None else "NULL"} AS mark, e.key AS name
        FROM (SELECT n, steps, value FROM {_NODES}_here WHERE {full}) h, json_each(h.value) e
            {join}
    """
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_NODES}_members AS {members}")
    cursor.execute(f"INSERT INTO {_NODES}_below SELECT n, state, steps, value FROM {_NODES}_members WHERE state >= 0")
    cursor.execute(
        f"INSERT INTO {_ENTRIES} SELECT n, '[[' || steps || '],' || CAST(value AS VARCHAR) || ']', NULL, NULL "
        f"FROM {_NODES}_members WHERE state < 0"
    )
    if key is not None:
        cursor.execute(f"INSERT INTO {_ENTRIES} SELECT n, NULL, {key}, mark FROM {_NODES}_members WHERE name <> ''")
