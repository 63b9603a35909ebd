"""Which rows name which files of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from edms_tasks.merging.file_name_columns import Naming, Namings
from edms_tasks.merging.identified_rows import paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.row_rewriting import ACTION
from edms_tasks.quoting import literal

_TEXTS = frozenset({"text", "json", "other"})
_BETWEEN = r"""["\r\n\t|;,]+"""
"""Between paths in lists and in JSON."""


@dataclass(frozen=True)
class Owners:
    """The file names that rows contain, for one folder. A name can be in several of the sets."""

    of_target: frozenset[str]  # in rows of the target that do not change
    of_snapshot: Mapping[str, frozenset[Policy]]  # in merged rows of the snapshot, with the policies for these rows
    of_new_rows: frozenset[str]  # in merged rows that the target does not have
    arriving: frozenset[str]  # in rows to be written that do not name the file in the target


def owners(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], namings: Namings, root: str
) -> Owners:
    """Collect the names of files in the folder `root` that rows of both sides contain."""
    of_snapshot: dict[str, frozenset[Policy]] = {}
    arriving: set[str] = set()
    for table_id, naming in _namings(matched, namings, root):
        policy = policies[table_id]
        for name in _named(cursor, matched, table_id, naming, "true"):
            of_snapshot[name] = of_snapshot.get(name, frozenset()) | {policy}
        arriving |= _arriving(cursor, matched, table_id, naming, policy)
    return Owners(
        frozenset(_of_target(cursor, matched, policies, namings, root)),
        of_snapshot,
        frozenset(named_files(cursor, matched, namings, root, f'r."{ACTION}" = {literal("insert")}')),
        frozenset(arriving),
    )


def mentioned(
    cursor: duckdb.DuckDBPyConnection,
    matched: Matched,
    policies: Mapping[str, Policy],
    namings: Namings,
    root: str,
    names: Sequence[str],
) -> set[str]:
    """Those of the names in the folder `root` that unchanged rows of the target mention in any text, in whatever spelling.

    How a column spells paths is known from the snapshot's rows; the target's may spell them in other ways, or the snapshot may have no
    such rows. A bare name counts as little here as in a text.
    """
    found: set[str] = set()
    cursor.register("names_to_replace", pa.table({"path": [*names]}))
    candidates = "(SELECT path, regexp_extract(path, '[^/]+$') AS last FROM names_to_replace)"
    for table_id, target in matched.targets.items():
        of_other_folders = {one.column for one in namings[table_id]} - {
            one.column for one in namings[table_id] if one.root == root
        }
        texts = [
            target.text(column.name, "t")
            for column in target.table.stored_columns
            if column.logical_type in _TEXTS and column.name not in of_other_folders
        ]
        if not texts or not target.rows:
            continue
        tokens = f"""
            SELECT DISTINCT unnest(list_append(string_split_regex(text, {literal(_BETWEEN)}), text)) AS token
            FROM (SELECT unnest([{", ".join(texts)}]) AS text FROM {target.relation} t WHERE {_stays(matched, policies, table_id)})
            WHERE contains(text, '/') OR contains(text, chr(92))
        """
        rows = cursor.execute(
            f"""
            SELECT DISTINCT c.path
            FROM (SELECT replace(token, chr(92), '/') AS token FROM ({tokens})) m
                JOIN {candidates} c ON c.last = regexp_extract(m.token, '[^/]+$')
            WHERE m.token = c.path OR suffix(m.token, '/' || c.path)
                OR (suffix(c.path, '/' || m.token) AND contains(m.token, '/'))
            """
        ).fetchall()
        found |= {str(path) for (path,) in rows}
    cursor.unregister("names_to_replace")
    return found


def _of_target(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], namings: Namings, root: str
) -> set[str]:
    """The names that unchanged rows of the target hold."""
    names: set[str] = set()
    for table_id, target in matched.targets.items():
        for naming in namings[table_id]:
            if naming.root != root or not target.rows:
                continue
            text = naming.path(target.text(naming.column, "t"))
            found = cursor.execute(
                f"SELECT DISTINCT {text} FROM {target.relation} t WHERE {text} <> '' AND {_stays(matched, policies, table_id)}"
            ).fetchall()
            names |= {str(name) for (name,) in found}
    return names


def _stays(matched: Matched, policies: Mapping[str, Policy], table_id: str) -> str:
    """SQL: whether a row `t` of the target stays as it is, and is not the same in the snapshot."""
    settled = f"({written(policies[table_id])} OR o.\"{ACTION}\" = 'same')"
    return f"NOT EXISTS (SELECT 1 FROM {matched.rewritten[table_id].relation} o WHERE {paired('o', 't')} AND {settled})"


def named_files(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, namings: Namings, root: str, condition: str = "true"
) -> set[str]:
    """The names of files in the folder `root` that merged rows of the snapshot contain, if `condition` (SQL over a row `r`) is true."""
    names: set[str] = set()
    for table_id, naming in _namings(matched, namings, root):
        names |= _named(cursor, matched, table_id, naming, condition)
    return names


def _namings(matched: Matched, namings: Namings, root: str) -> Iterator[tuple[str, Naming]]:
    """The tables with rows to merge, each with the columns that name files of the folder."""
    for table_id in matched.sources:
        if matched.rewritten[table_id].rows:
            yield from ((table_id, naming) for naming in namings[table_id] if naming.root == root)


def _named(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, table_id: str, naming: Naming, condition: str
) -> set[str]:
    source, rows = matched.sources[table_id], matched.rewritten[table_id]
    text = naming.path(source.text(naming.column, "s"))
    found = cursor.execute(
        f"SELECT DISTINCT {text} FROM {source.relation} s JOIN {rows.relation} r ON {paired('s', 'r')} "
        f"WHERE {text} <> '' AND {condition}"
    ).fetchall()
    return {str(name) for (name,) in found}


def _arriving(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, table_id: str, naming: Naming, policy: Policy
) -> set[str]:
    """The names in rows to be written, without those that the row of the target has in this column already."""
    source, target, rows = matched.sources[table_id], matched.targets[table_id], matched.rewritten[table_id]
    now, was = (naming.path(side.text(naming.column, alias)) for side, alias in ((source, "s"), (target, "t")))
    found = cursor.execute(
        f"SELECT DISTINCT {now} FROM {source.relation} s JOIN {rows.relation} r ON {paired('s', 'r')} "
        f"LEFT JOIN {target.relation} t ON {paired('s', 't')} "
        f"WHERE {now} <> '' AND r.{written(policy)} AND {now} IS DISTINCT FROM {was}"
    ).fetchall()
    return {str(name) for (name,) in found}
