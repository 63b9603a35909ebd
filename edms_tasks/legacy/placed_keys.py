"""The keys of an old backup's rows: natural keys, references resolved to rows, and primary keys, kept, recovered or assigned.

All of it set-wise, in DuckDB over the staged files. A row is known by its number in its model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import duckdb

from edms_tasks.conversion.serialized_values import same_id
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.code_models import Path
from edms_tasks.legacy.staged_models import StagedModel
from edms_tasks.quoting import literal
from edms_tasks.scratch.workspace import AS_PARQUET

_SEPARATOR = "chr(31)"
_NULL = "chr(30)"
_DEEPEST = 8
_EXAMPLES = 3


@dataclass
class PlacedKeys:
    """Natural keys, resolved references and primary keys of all staged rows; relations are made when they are first asked for."""

    cursor: duckdb.DuckDBPyConnection
    staged: Mapping[str, StagedModel]  # by Table.id
    folder: FilePath
    findings: list[Finding] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)  # Table.id -> relation of (n) of rows whose key is lost
    assigned: set[str] = field(default_factory=set)  # tables whose keys were assigned anew
    _made: dict[tuple[str, ...], str] = field(default_factory=dict)
    _open: set[tuple[str, ...]] = field(default_factory=set)
    _paths: dict[str, tuple[Path, ...] | None] = field(default_factory=dict)

    def kept(self, name: tuple[str, ...], query: str) -> str:
        """Write a query's rows to a file; returns SQL to select them from."""
        path = self.folder / f"k{len(self._made):05d}.parquet"
        self.cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
        self._made[name] = f"read_parquet({literal(str(path))})"
        return self._made[name]

    # -- natural keys --------------------------------------------------------------------------------------------------

    def by_natural_key(self, table: str) -> str | None:
        """Relation of (nk, tn): the rows of a table that have a natural key of their own; None if it has none."""
        name = ("nk", table)
        if name in self._made:
            return self._made[name]
        if name in self._open:  # natural keys that refer to each other in a circle
            return None
        self._open.add(name)
        try:
            values = self._values_of_key(table)
        finally:
            self._open.discard(name)
        if values is None:
            return None
        # Of a row that stands there twice the last one counts; a key that several rows have leads to none of them.
        is_own = self._paths[table] == self.staged[table].model.natural_key
        single = "count(DISTINCT s.pk) <= 1" if is_own else "count(*) = 1"
        return self.kept(
            name,
            f"SELECT v.nk, max(v.n) AS tn FROM ({values}) v JOIN {self.staged[table].relation} s ON s.n = v.n "
            f"WHERE v.nk IS NOT NULL GROUP BY v.nk HAVING {single}",
        )

    def _values_of_key(self, table: str) -> str | None:
        """SQL of (n, nk) for every row of a table."""
        paths = self.paths(table)
        if not paths:
            return None
        parts = [self.values(table, path, 0) for path in paths]
        if any(part is None for part in parts):
            return None
        joins = " ".join(f"LEFT JOIN ({part}) p{at} ON p{at}.n = s.n" for at, part in enumerate(parts))
        key = f" || {_SEPARATOR} || ".join(f"coalesce(p{at}.value, {_NULL})" for at in range(len(parts)))
        return f"SELECT s.n, {key} AS nk FROM {self.staged[table].relation} s {joins}"

    def paths(self, table: str) -> tuple[Path, ...] | None:
        """The paths of a table's natural key: as the EDMS's code has it, or as found on the rows that refer to it."""
        if table not in self._paths:
            staged = self.staged[table]
            arity = self._arity_of_references(table)
            own = staged.model.natural_key
            self._paths[table] = own if own and arity in (None, len(own)) else self._found_paths(table, arity)
        return self._paths[table]

    def _arity_of_references(self, table: str) -> int | None:
        """How many parts the natural keys have by which rows refer to a table; None if they have none, or differ."""
        counts: set[int] = set()
        for source, column in self.referring(table):
            k = source.position(column)
            rows = self.cursor.execute(
                f"SELECT DISTINCT len({_flat(f'j{k}')}) FROM {source.relation} WHERE json_type(j{k}) = 'ARRAY'"
            ).fetchall()
            counts |= {int(count) for (count,) in rows}
        return counts.pop() if len(counts) == 1 else None

    def referring(self, table: str) -> list[tuple[StagedModel, str]]:
        """The staged models and columns that refer to a table."""
        return [
            (source, column)
            for source in self.staged.values()
            for column, reference in source.model.references.items()
            if table in reference.targets and not source.is_key(column) and column in {c.name for c in source.columns}
        ]

    def _found_paths(self, table: str, arity: int | None) -> tuple[Path, ...] | None:
        """A natural key of single columns that all keys in references are found in, if the rows have no other."""
        staged = self.staged[table]
        if arity is None:
            return None
        keys = " UNION ".join(
            f"SELECT {_flat(f'j{source.position(column)}')} AS parts FROM {source.relation} "
            f"WHERE json_type(j{source.position(column)}) = 'ARRAY'"
            for source, column in self.referring(table)
        )
        candidates = [staged.model.key_name] * bool(staged.model.key_name) + [
            column.name
            for column in staged.columns
            if column.name not in staged.model.references and column.name in staged.needed
        ]
        found: list[Path] = []
        for at in range(1, arity + 1):
            fitting = [column for column in candidates if self._holds_all(table, column, keys, at)]
            if len(fitting) != 1 or (fitting[0],) in found:
                return None  # of two columns that fit, either may be wrong
            found.append((fitting[0],))
        names = ", ".join(column for (column,) in found)
        what = f"Rows refer to it by natural keys that the code does not have. They were taken for {names}, which alone fits all of them."
        self.findings.append(make_finding("old-natural-key-found", staged.model.label, what))
        return tuple(found)

    def _holds_all(self, table: str, column: str, keys: str, at: int) -> bool:
        """Whether a column holds all values that natural keys have as their part `at`."""
        missing = self.number(
            f"SELECT count(*) FROM (SELECT DISTINCT parts[{at}] AS part FROM ({keys})) "
            f"WHERE part NOT IN (SELECT value FROM ({self.values(table, (column,), 0)}) WHERE value IS NOT NULL)"
        )
        return not missing

    def values(self, table: str, path: Path, depth: int) -> str | None:
        """SQL of (n, value): the text at the end of a path, for every row."""
        staged = self.staged.get(table)
        if staged is None or depth > _DEEPEST:
            return None
        column, rest = path[0], path[1:]
        reference = staged.model.references.get(column)
        if not rest:
            if staged.is_key(column):
                return f"SELECT n, pk AS value FROM {staged.relation}"
            k = staged.position(column)
            if reference is None:
                return f"SELECT n, j{k} ->> '$' AS value FROM {staged.relation}"
            joined = _joined(f"j{k}")
            return f"SELECT n, CASE json_type(j{k}) WHEN 'ARRAY' THEN {joined} ELSE j{k} ->> '$' END AS value FROM {staged.relation}"
        if reference is None:
            return None
        target = reference.target
        further = self.values(target, rest, depth + 1)
        resolved = self.resolved(table, column)
        if further is None or resolved is None:
            return None
        return f"SELECT r.n, v.value FROM {resolved} r JOIN ({further}) v ON v.n = r.tn"

    # -- references ----------------------------------------------------------------------------------------------------

    def resolved(self, table: str, column: str) -> str | None:
        """Relation of (n, tn, target): the row that each filled reference leads to; `tn` is NULL where there is none."""
        name = ("ref", table, column)
        if name in self._made:
            return self._made[name]
        staged = self.staged[table]
        if staged.is_key(column):  # the child of a parent: it has the parent's key
            source = f"SELECT n, CASE WHEN pk IS NOT NULL THEN to_json(pk) ELSE parent END AS j FROM {staged.relation}"
        else:
            source = f"SELECT n, j{staged.position(column)} AS j FROM {staged.relation}"
        reference = staged.model.references[column]
        return self.resolve(name, source, reference.target, reference.target_columns[0])

    def resolve(self, name: tuple[str, ...], source: str, target: str, target_column: str, more: str = "") -> str:
        """Relation of (n, tn) for references in `source`, a query of (n, j) and the columns `more`."""
        extra = f", s.{more}" if more else ""
        staged = self.staged.get(target)
        if staged is None:
            return self.kept(
                name, f"SELECT s.n, CAST(NULL AS BIGINT) AS tn{extra} FROM ({source}) s WHERE s.j IS NOT NULL"
            )
        if staged.is_key(target_column):
            ids = f"SELECT pk AS id, max(n) AS tn FROM {staged.relation} WHERE pk IS NOT NULL GROUP BY pk"
            assert staged.model.key_column is not None  # it is the column that is referred to
            own = same_id(staged.model.key_column, "s.j ->> '$'")
            wanted = f"CASE WHEN json_type(s.j) <> 'ARRAY' THEN {own} END"
            if self._has_lost_texts(target):
                # A key that was recovered is named by rows as it is, or as a natural key of one part.
                ids = f"SELECT id, max(n) AS tn FROM {self.keys(target)} GROUP BY id"
                wanted = f"CASE json_type(s.j) WHEN 'ARRAY' THEN {_joined('s.j')} ELSE s.j ->> '$' END"
        else:
            values = self.values(target, (target_column,), 0)
            ids = f"SELECT value AS id, max(n) AS tn FROM ({values}) WHERE value IS NOT NULL GROUP BY value"
            wanted = "CASE WHEN json_type(s.j) <> 'ARRAY' THEN s.j ->> '$' END"
        keyed = f"SELECT 1 FROM ({source}) WHERE json_type(j) = 'ARRAY' LIMIT 1"
        by_key = self.by_natural_key(target) if self.cursor.execute(keyed).fetchone() else None
        by_key = by_key or "(SELECT CAST(NULL AS VARCHAR) AS nk, CAST(NULL AS BIGINT) AS tn WHERE false)"
        query = f"""
            SELECT s.n, coalesce(i.tn, k.tn) AS tn{extra}
            FROM ({source}) s
                LEFT JOIN ({ids}) i ON i.id = {wanted}
                LEFT JOIN {by_key} k ON json_type(s.j) = 'ARRAY' AND k.nk = {_joined("s.j")}
            WHERE s.j IS NOT NULL
        """
        return self.kept(name, query)

    def _has_lost_texts(self, table: str) -> bool:
        staged = self.staged[table]
        is_text = staged.model.key_type == "text" and not staged.is_seed
        return is_text and bool(self.number(f"SELECT count(*) FROM {staged.relation} WHERE pk IS NULL"))

    # -- primary keys --------------------------------------------------------------------------------------------------

    def keys(self, table: str, *, above: int = 0) -> str:
        """Relation of (n, id): the primary key of each row in the snapshot, as text; rows whose key is lost are left out.

        `above`: assigned numbers begin behind this one.
        """
        name = ("id", table)
        if name in self._made:
            return self._made[name]
        staged = self.staged[table]
        missing = self.number(f"SELECT count(*) FROM {staged.relation} WHERE pk IS NULL")
        # Of rows with the same key the last one counts, as for loaddata.
        own = f"SELECT max(n) AS n, pk AS id FROM {staged.relation} WHERE pk IS NOT NULL GROUP BY pk"
        if not missing:
            return self.kept(name, own)
        kind, label = staged.model.key_type, staged.model.label
        nameless = f"SELECT n FROM {staged.relation} WHERE pk IS NULL"
        if staged.model.key_name in staged.model.references:
            return self._of_parents(name, table, own, missing)
        if kind == "integer":
            highest = self.number(f"SELECT max(TRY_CAST(pk AS BIGINT)) FROM {staged.relation}")
            first = max(highest, above, 0)
            assigned = f"SELECT n, CAST({first} + row_number() OVER (ORDER BY n) AS VARCHAR) AS id FROM ({nameless})"
        elif kind == "uuid":
            assigned = f"SELECT n, replace(CAST(uuid() AS VARCHAR), '-', '') AS id FROM ({nameless})"
        else:
            return self._recovered(name, table, own, missing)
        self.assigned.add(table)
        if self.number(f"SELECT count(*) FROM {staged.relation} WHERE pk IS NOT NULL"):
            what = "These rows lack their primary key and others of the model have theirs: it is lost, and a new one was assigned."
            self.findings.append(make_finding("old-key-assigned", label, what, severity="error", count=missing))
        else:
            self.findings.append(make_finding("old-key-assigned", label, severity="info", count=missing))
        return self.kept(name, f"{own} UNION ALL {assigned}")

    def _of_parents(self, name: tuple[str, ...], table: str, own: str, missing: int) -> str:
        """The keys of rows that share them with their parents' rows, which the backup names by natural key."""
        staged = self.staged[table]
        column = staged.model.key_name
        parents = self.keys(staged.model.references[column].target)
        found = (
            f"SELECT r.n, p.id FROM {self.resolved(table, column)} r JOIN {parents} p ON p.n = r.tn "
            f"WHERE r.n IN (SELECT n FROM {staged.relation} WHERE pk IS NULL)"
        )
        number = self.number(f"SELECT count(*) FROM ({found})")
        if number < missing:
            lost = f"SELECT n FROM {staged.relation} WHERE pk IS NULL AND n NOT IN (SELECT n FROM ({found}))"
            why = "Their key is that of a row of another model, and the backup does not say of which."
            return self._without(name, table, f"{own} UNION ALL {found}", lost, missing - number, why)
        return self.kept(name, f"{own} UNION ALL {found}")

    def _without(self, name: tuple[str, ...], table: str, own: str, lost: str, count: int, why: str) -> str:
        label = self.staged[table].model.label
        self.findings.append(
            make_finding("old-key-lost", label, f"{why} These rows are not in the snapshot.", count=count)
        )
        self.lost[table] = self.kept(("lost", table), lost)
        return self.kept(name, own)

    def _recovered(self, name: tuple[str, ...], table: str, own: str, missing: int) -> str:
        """Keys that are texts, found again in references: a key is a row's if a text of this row alone equals it but for case and signs."""
        staged = self.staged[table]
        found = self._keys_in_references(table)
        texts = [
            k
            for k, column in enumerate(staged.columns)
            if column.logical_type == "text" and column.name in staged.needed
        ]
        matches = " UNION ".join(
            f"SELECT r.n, c.code FROM {staged.relation} r JOIN ({found}) c "
            f"ON {_alike('c.code')} = {_alike(f'''(r.j{k} ->> '$')''')} WHERE r.pk IS NULL AND {_alike('c.code')} <> ''"
            for k in texts
        )
        if not matches:
            matches = "SELECT CAST(NULL AS BIGINT) AS n, CAST(NULL AS VARCHAR) AS code WHERE false"
        pairs = self.kept(("pairs", table), f"SELECT DISTINCT n, code FROM ({matches})")
        single = (
            f"SELECT n, code AS id FROM {pairs} WHERE n IN (SELECT n FROM {pairs} GROUP BY n HAVING count(*) = 1) "
            f"AND code IN (SELECT code FROM {pairs} GROUP BY code HAVING count(*) = 1) "
            f"AND code NOT IN (SELECT pk FROM {staged.relation} WHERE pk IS NOT NULL)"
        )
        sure = self.kept(("sure", table), single)
        number = self.number(f"SELECT count(*) FROM {sure}")
        label = staged.model.label
        if number:
            examples = self.cursor.execute(f"SELECT id, n FROM {sure} ORDER BY n LIMIT {_EXAMPLES}").fetchall()
            self.findings.append(
                make_finding(
                    "old-key-recovered",
                    label,
                    count=number,
                    examples=tuple(f"{code!r} for row {n} of the backup" for code, n in examples),
                )
            )
        if number < missing:
            lost = f"SELECT n FROM {staged.relation} WHERE pk IS NULL AND n NOT IN (SELECT n FROM {sure})"
            why = "Their keys are texts that `--natural-primary` dropped, and nothing says which row had which."
            return self._without(name, table, f"{own} UNION ALL SELECT n, id FROM {sure}", lost, missing - number, why)
        return self.kept(name, f"{own} UNION ALL SELECT n, id FROM {sure}")

    def _keys_in_references(self, table: str) -> str:
        """SQL of (code): the keys by which rows refer to a table whose own keys are lost."""
        found = [
            f"SELECT CASE json_type(j{k}) WHEN 'ARRAY' THEN {_joined(f'j{k}')} ELSE j{k} ->> '$' END AS code "
            f"FROM {source.relation} WHERE j{k} IS NOT NULL"
            for source, column in self.referring(table)
            for k in [source.position(column)]
        ]
        return (
            f"SELECT DISTINCT code FROM ({' UNION ALL '.join(found)})"
            if found
            else "SELECT CAST(NULL AS VARCHAR) AS code WHERE false"
        )

    def by_id_of_migrations(self, name: tuple[str, ...], source: str, target: str) -> int:
        """How many references in `source`, a query of (n, j), were resolved by an id to rows that the EDMS's migrations made."""
        staged = self.staged.get(target)
        if staged is None or not staged.is_seed or name not in self._made:
            return 0
        by_id = f"SELECT n FROM ({source}) WHERE json_type(j) NOT IN ('ARRAY', 'NULL')"
        return self.number(f"SELECT count(*) FROM {self._made[name]} WHERE tn IS NOT NULL AND n IN ({by_id})")

    def number(self, query: str) -> int:
        """The number that a query returns; 0 for none."""
        row = self.cursor.execute(query).fetchone()
        return int(row[0] or 0) if row is not None else 0


def _flat(value: str) -> str:
    """The parts of a natural key as texts. A part may be a list itself, the key of a referenced row: lists are flattened."""
    plain = f"json_transform({value}, '[\"VARCHAR\"]')"
    part = "CASE WHEN json_type(p) = 'ARRAY' THEN json_transform(p, '[\"VARCHAR\"]') ELSE [p ->> '$'] END"
    inner = f"flatten(list_transform(json_transform({value}, '[\"JSON\"]'), lambda p: {part}))"
    nested = f"regexp_matches(substr(CAST({value} AS VARCHAR), 2), '(^|,)\\s*\\[')"
    return f"(CASE WHEN {nested} THEN {inner} ELSE {plain} END)"


def _joined(value: str) -> str:
    """The parts of a natural key as one text."""
    return f"array_to_string(list_transform({_flat(value)}, lambda p: coalesce(p, {_NULL})), {_SEPARATOR})"


def _alike(text: str) -> str:
    """A text without case and signs: `Under review` and `UNDER_REVIEW` are alike."""
    return f"regexp_replace(upper({text}), '[^\\p{{L}}\\p{{N}}]+', '_', 'g')"
