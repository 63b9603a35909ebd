"""Check natural keys on the rows, and tabulate them for the references to them.

The first candidate key without duplicates is used; candidates before it are findings. The result is a relation for each table: the
columns that references point at, and the row's key as JSON text such as `["SOP-0001","2",["EMP-7"]]`, nested if the key passes
through a reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import duckdb

from edms_tasks.digests.canonical import json_array, text_of
from edms_tasks.digests.value_equality import ColumnStorage, leads_to, storage_of
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, ForeignReference, GenericReference, NaturalKey, Table
from edms_tasks.inventory.natural_keys import holds_ids_without_foreign_key, reference_of
from edms_tasks.keys.checked_keys import (
    GENERIC_TARGETS,
    CheckedKeys,
    TableKey,
    TriedKey,
)
from edms_tasks.keys.ids_in_keys import Meanings, generic_pairs, tabulate_columns
from edms_tasks.quoting import identifier
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, relation, types_of_rows
from edms_tasks.soft.soft_columns import SoftColumn, unreadable

_GENERIC_PAIRS = "generic_pairs"
_GENERIC = "\0generic references"  # what asks for their targets' keys; no table has such a name


def check_keys(
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    workspace: Workspace,
    recorded: Mapping[str, TableKey] = MappingProxyType({}),
    changed: Mapping[str, RawTable] = MappingProxyType({}),
) -> CheckedKeys:
    """Choose and tabulate the key of every table in `raws`; `tables` is the whole inventory.

    `recorded` are keys of tables whose rows and references are not needed: they are only tabulated where those of others refer to them.
    `changed` are the rows of tables of which only these rows will be joined with keys.
    """
    with workspace.cursor() as cursor:
        known = {table.id: table for table in tables if table.id in raws}
        check = _KeyCheck(cursor, known, raws, workspace, recorded=recorded, changed=changed)
        needed = sorted(known.keys() - recorded.keys())
        for table_id in needed:
            check.key_of(table_id)
        for reference in (reference for table_id in needed for reference in known[table_id].references):
            for target in () if isinstance(reference, GenericReference) else reference.targets:
                if target in known:
                    check.key_of(target)
        return check.finished()


def key_of_candidates(
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    workspace: Workspace,
    chosen: Mapping[str, NaturalKey | None],
    identities: Mapping[str, str] | None = None,
    before: CheckedKeys | None = None,
) -> CheckedKeys:
    """Tabulate given keys, such as those of a snapshot, and count their NULLs and duplicates. No other candidate is tried.

    Args:
        tables: the whole inventory.
        raws: table id -> the rows.
        workspace: where to tabulate.
        chosen: table id -> the key.
        identities: table id -> a relation with the primary key's columns and `nk`, used instead of a key; "" gives all rows the same.
        before: the result for the same rows, in the same workspace, with other identities of the same tables: keys without these
            are as they were.
    """
    fixed = [
        table.model_copy(update={"key_candidates": tuple(k for k in (chosen[table.id],) if k)}) for table in tables
    ]
    with workspace.cursor() as cursor:
        known = {table.id: table for table in fixed if table.id in raws}
        check = _KeyCheck(
            cursor, known, raws, workspace, accept_anything=True, identities=identities or {}, before=before
        )
        for table_id in sorted(check.tables):
            check.key_of(table_id)
        return check.finished()


@dataclass
class _KeyCheck:
    cursor: duckdb.DuckDBPyConnection
    tables: dict[str, Table]
    raws: Mapping[str, RawTable]
    workspace: Workspace
    accept_anything: bool = False
    identities: Mapping[str, str] = field(default_factory=dict)
    before: CheckedKeys | None = None
    recorded: Mapping[str, TableKey] = field(default_factory=dict)
    changed: Mapping[str, RawTable] = field(default_factory=dict)
    keys: dict[str, TableKey] = field(default_factory=dict)
    types: dict[str, dict[str, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    tried: dict[str, list[TriedKey]] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)
    _busy: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pointed_at: dict[str, set[tuple[str, ...]]] = {table_id: set() for table_id in self.tables}
        for table in self.tables.values():
            for reference in table.references:
                if isinstance(reference, ForeignReference):
                    for target in self._pointed_at.keys() & set(reference.targets):
                        self._pointed_at[target].add(tuple(sorted(set(reference.target_columns))))
        for table_id, table in self.tables.items():
            known = self.before.types[table_id] if self.before else None
            self.types[table_id] = dict(known or types_of_rows(self.cursor, table, self.raws[table_id]))
        so_far = CheckedKeys(self.workspace, self.tables, self.raws, self.keys, self.types, (), self.tried, {})
        self._meanings = Meanings(self.cursor, so_far, self.key_of, self._rows_of)

    def finished(self) -> CheckedKeys:
        """The result, with the targets of generic and soft references, which need all keys."""
        if self._is_as_before(_GENERIC):
            self.asked[_GENERIC] = set(self.before.asked[_GENERIC]) if self.before else set()
        else:
            self._tabulate_generic_targets()
        all_keys = {**self.recorded, **self.keys}
        keys = CheckedKeys(self.workspace, self.tables, self.raws, all_keys, self.types, (), self.tried, {})
        soft = tabulate_columns(self.cursor, keys, self._unchanged_columns())
        broken = () if self.accept_anything else unreadable(self.tables, soft)
        return replace(keys, soft=soft, findings=(*self.findings, *broken), asked=self.asked)

    def key_of(self, table_id: str) -> TableKey | None:
        """The table's key, built on first use; None if it is just being built (a cycle)."""
        if self._busy:
            self.asked[self._busy[-1]].add(table_id)
        if table_id in self.keys:
            return self.keys[table_id]
        if table_id in self._busy:
            return None
        if self.before is not None and self._is_as_before(table_id):
            self.keys[table_id], self.asked[table_id] = self.before.keys[table_id], set(self.before.asked[table_id])
            return self.keys[table_id]
        self._busy.append(table_id)
        self.asked[table_id] = set()
        try:
            self.keys[table_id] = self._choose(self.tables[table_id])
        finally:
            self._busy.pop()
        return self.keys[table_id]

    def _is_as_before(self, asking: str) -> bool:
        return self.before is not None and not self.before.leads_to(asking, self.identities.keys())

    def _unchanged_columns(self) -> dict[str, Sequence[SoftColumn]]:
        """The columns with soft references, by table, that lead to keys as before only."""
        if self.before is None:
            return dict.fromkeys(self.recorded, ())
        return {
            table_id: columns
            for table_id, columns in self.before.soft.items()
            if all(self._is_as_before(reference.target) for reference in self.tables[table_id].soft_references)
        }

    def _choose(self, table: Table) -> TableKey:
        if table.id in self.identities:
            return self._identified(table, self.identities[table.id])
        for candidate in table.key_candidates:
            select = self._select(table, candidate)
            if select is None:
                self._reject(
                    table,
                    candidate,
                    "natural-key-cycle",
                    "follows references that lead back to the table itself",
                    1,
                )
                continue
            key = self._tabulate(table, candidate, *select)
            self.tried.setdefault(table.id, []).append(TriedKey(candidate, key.nulls, key.duplicates))
            if key.duplicates == 0 or self.accept_anything:
                return key
            examples = self.cursor.execute(
                f"SELECT nk, count(*) FROM {self._keys_of(table, key)} GROUP BY nk HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT 3"
            ).fetchall()
            self._reject(
                table,
                candidate,
                "natural-key-duplicates",
                "is shared by several rows",
                key.duplicates,
                tuple(f"{nk} ({count} rows)" for nk, count in examples),
            )
        # No key at all, not even a surrogate: rows can be identified by all their values only.
        values = [self._text("t", table, column) for column in self._pointed_columns(table)]
        return self._tabulate(table, None, (), json_array(values), "false")

    def _identified(self, table: Table, identities: str) -> TableKey:
        key = NaturalKey(source="content", paths=())
        if not identities:
            return self._tabulate(table, key, (), "'[]'", "false")
        same = " AND ".join(f"i.{identifier(column)} = t.{identifier(column)}" for column in table.primary_key)
        return self._tabulate(table, key, (f"LEFT JOIN {identities} i ON {same}",), "i.nk", "false")

    def _reject(
        self, table: Table, key: NaturalKey, code: str, why: str, count: int, examples: tuple[str, ...] = ()
    ) -> None:
        if self.accept_anything:
            return
        self.findings.append(
            make_finding(
                code,
                table.label,
                f"The key ({key.readable or ', '.join('.'.join(p) for p in key.paths)}) from {key.source} {why}. "
                "The next candidate is used.",
                severity="warning",
                count=count,
                examples=examples,
                fix=f'Declare another: [natural_keys] "{table.label}" = ["…"].',
            )
        )

    def _select(self, table: Table, key: NaturalKey) -> tuple[tuple[str, ...], str, str] | None:
        """(joins, key expression, NULL test) for a candidate; None if it leads back to a table whose key is being built."""
        joins: list[str] = []
        followed: dict[tuple[str, ...], tuple[str, Table]] = {(): ("t", table)}
        parts: list[str] = []
        nulls: list[str] = []
        for number, path in enumerate(key.paths):
            for hop in range(1, len(path)):
                if path[:hop] not in followed:
                    arrived = self._follow(followed[path[: hop - 1]], path[hop - 1], f"j{len(followed)}", joins)
                    if arrived is None:
                        return None
                    followed[path[:hop]] = arrived
            alias, here = followed[path[:-1]]
            last = path[-1]
            value = f"{alias}.{identifier(last)}"
            reference = reference_of(here, last)
            nulls.append(f"{value} IS NULL")
            if key.by_meaning and holds_ids_without_foreign_key(here, last):
                meant = self._meanings.part(here, last, alias, f"m{number}")
                if meant is None:
                    return None
                joins.append(meant[0])
                parts.append(meant[1])
                continue
            if reference is None or reference.target not in self.tables or key.source == "surrogate":
                parts.append(f"coalesce(to_json({self._text(alias, here, last)}), 'null')")
                continue
            nested = self.key_of(reference.target)
            if nested is None:
                return None
            joined = f"k{number}"
            joins.append(
                f"LEFT JOIN {nested.pointed_at(reference.target_columns)} {joined} ON "
                + self._leads_to(reference, alias, here, joined, "c:")
            )
            dangling = f"""'{{"dangling":' || to_json({self._text(alias, here, last)}) || '}}'"""
            parts.append(f"CASE WHEN {value} IS NULL THEN 'null' ELSE coalesce({joined}.nk, {dangling}) END")
        return tuple(joins), json_array(parts), " OR ".join(nulls) or "false"

    def _follow(self, start: tuple[str, Table], column: str, joined: str, joins: list[str]) -> tuple[str, Table] | None:
        """Join the row that a reference's column points at as `joined`; returns (alias, table), or None if it is no reference."""
        alias, here = start
        reference = reference_of(here, column)
        if reference is None or reference.target not in self.tables:
            return None
        target, pointed = self.tables[reference.target], reference.target_columns[0]
        condition = self._leads_to(reference, alias, here, joined)
        rows = relation(target, self.raws[target.id])
        if not self._keeps_unique(target, {pointed}):
            value = self._held(target, pointed).pointed_at(identifier(pointed))
            rows = f"(SELECT DISTINCT ON ({value}) * FROM {rows} ORDER BY ALL)"
        joins.append(f"LEFT JOIN {rows} {joined} ON {condition}")
        return joined, target

    def _tabulate(
        self, table: Table, key: NaturalKey | None, joins: tuple[str, ...], expression: str, is_null: str
    ) -> TableKey:
        columns = self._pointed_columns(table)
        made = TableKey(
            natural_key=key,
            joins=joins,
            expression=expression,
            relation=identifier(f"key of {table.id}") if columns else None,
            nulls=0,
            duplicates=0,
        )
        if columns:
            self._materialize(table, made, columns, is_null)
        nulls, duplicates = self._counted(table, made, is_null)
        # A table without a key has no duplicates.
        return replace(
            made, nulls=nulls, duplicates=duplicates if key else 0, one_for_each=self._one_for_each(table, made)
        )

    def _counted(self, table: Table, key: TableKey, is_null: str) -> tuple[int, int]:
        """How many rows have a NULL in their key, and how many a key that another row has too."""
        if not self.raws[table.id].rows:
            return 0, 0
        keys = self._keys_of(table, key, is_null)
        nulls, rows, hashes = self._numbers(
            f"SELECT count(*) FILTER (has_null), count(*), count(DISTINCT hash(nk)) FROM {keys}"
        )
        # Two keys may have the same hash, so if there seem to be duplicates, the keys themselves are counted.
        return nulls, 0 if rows == hashes else self._numbers(f"SELECT count(*) - count(DISTINCT nk) FROM {keys}")[0]

    def _one_for_each(self, table: Table, key: TableKey) -> dict[tuple[str, ...], str]:
        """The relations of rows by columns of which the database does not keep the values apart."""
        made = {}
        for columns in sorted(self._pointed_at[table.id]):
            if not self._keeps_unique(table, set(columns)):
                made[columns] = identifier(f"key of {table.id} by {', '.join(columns)}")
                pointed = ", ".join(identifier("c:" + column) for column in columns)
                self.cursor.execute(
                    f"CREATE OR REPLACE TABLE {made[columns]} AS "
                    f"SELECT DISTINCT ON ({pointed}) {pointed}, nk FROM {key.relation} ORDER BY {pointed}, nk"
                )
        return made

    def _pointed_columns(self, table: Table) -> list[str]:
        return sorted({column for columns in self._pointed_at[table.id] for column in columns})

    def _materialize(self, table: Table, key: TableKey, columns: Sequence[str], is_null: str) -> None:
        projected = "".join(
            f"{self._held(table, column).pointed_at(f't.{identifier(column)}')} AS {identifier('c:' + column)}, "
            for column in columns
        )
        self.cursor.execute(
            f"CREATE OR REPLACE TABLE {key.relation} AS "
            f"SELECT {projected}{key.expression} AS nk, ({is_null}) AS has_null FROM {self._rows_of(table, key)}"
        )

    def _rows_of(self, table: Table, key: TableKey) -> str:
        return "\n".join([f"{relation(table, self.raws[table.id])} t", *key.joins])

    def _keys_of(self, table: Table, key: TableKey, is_null: str = "false") -> str:
        """A relation with `nk` and `has_null` for each row."""
        if key.relation is not None:
            return key.relation
        return f"(SELECT {key.expression} AS nk, ({is_null}) AS has_null FROM {self._rows_of(table, key)})"

    def _numbers(self, query: str) -> tuple[int, ...]:
        row = self.cursor.execute(query).fetchone()
        assert row is not None  # an aggregate always returns one row
        return tuple(int(value) for value in row)

    def _tabulate_generic_targets(self) -> None:
        """Create the relation (content type id, object id as text, key, label) of the rows that generic references point at."""
        self.asked[_GENERIC] = set()
        self.cursor.execute(
            f"CREATE OR REPLACE TABLE {GENERIC_TARGETS} (content_type VARCHAR, object_id VARCHAR, nk VARCHAR, label VARCHAR)"
        )
        used = " UNION ".join(
            generic_pairs(table, reference, self._meanings.keys, rows)
            for table in self.tables.values()
            for reference in table.references
            if isinstance(reference, GenericReference) and table.id not in self.recorded
            if (rows := self.changed.get(table.id, self.raws[table.id])).rows
        )
        if not used:
            return
        self.cursor.execute(f"CREATE OR REPLACE TABLE {_GENERIC_PAIRS} AS {used}")
        self._busy.append(_GENERIC)
        self._meanings.insert_generic_rows(GENERIC_TARGETS, _GENERIC_PAIRS)
        self._busy.pop()

    def _text(self, alias: str, table: Table, column: str) -> str:
        return text_of(f"{alias}.{identifier(column)}", self.types[table.id][column])

    def _leads_to(self, reference: ForeignReference, alias: str, table: Table, pointed: str, prefix: str = "") -> str:
        target = self.tables[reference.target]
        return leads_to(
            reference,
            lambda column: self._held(table, column),
            lambda column: self._held(target, column),
            self.types[table.id],
            pointing=alias,
            pointed=pointed,
            prefix=prefix,
        )

    def _keeps_unique(self, table: Table, columns: set[str]) -> bool:
        """Whether the database keeps the values of these columns unique, also for the comparison used here."""
        unique = [*(key.columns for key in table.unique_keys if not key.partial), table.primary_key]
        exact = {column for column in columns if not self._held(table, column).caseless}
        return any(key and exact.issuperset(key) for key in unique)

    def _held(self, table: Table, column: str) -> ColumnStorage:
        return storage_of(table, self.raws[table.id], self.types[table.id], column)
