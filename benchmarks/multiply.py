"""Make a small, real EDMS large: copies of its own rows, under new ids and keys, set-wise inside the database.

Populating through Django takes minutes for a million rows. Copying keeps what matters for a measurement: the proportions
of the tables, their wide and awkward values, every reference. What differs from row to row in a real system (keys,
times, checksums, titles, long texts) differs from copy to copy as well: a tool that compresses would otherwise be
measured on rows that are easier than those it will meet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.open_database import OpenDatabase, name_of, open_database
from edms_tasks.inventory.model import Column, ForeignReference, Table
from edms_tasks.quoting import identifier

_APPS = ("users_", "documents_", "workflows_", "audit_", "security_", "placeholders_", "django_admin_log")
_MOSTLY_DIFFERENT = 0.2  # fewer different values than this share of the rows: a choice from a list
_SHORT = 20  # characters; what is limited to fewer is a code
_LONG = 1_000


def multiply(database_url: str, rows: int) -> int:
    """Copy rows until the database holds at least `rows`; returns how many it then holds."""
    with open_database(database_url) as database:
        counts = {table.id: count(database, table) for table in database.tables}
        copied = [table for table in database.tables if _is_copied(database, table)]
        own, there = sum(counts[table.id] for table in copied), sum(counts.values())
        if there >= rows:
            return there
        if not own:
            raise ValueError("there is nothing to copy: populate the EDMS first")
        copies = -(-(rows - there) // own)
        plan = _Plan(database, copied)
        # Built before the first is run, for they depend on what the tables hold.
        for statement in [plan.statement(table, copies) for table in copied]:
            database.run(statement)
        database.reset_sequences(copied)
        return there + copies * own


def count(database: OpenDatabase, table: Table) -> int:
    """The rows of a table."""
    return int(database.rows(f"SELECT count(*) FROM {name_of(table)}")[0][0])


def _is_copied(database: OpenDatabase, table: Table) -> bool:
    if not table.name.startswith(_APPS) or len(table.primary_key) != 1:
        return False
    # A word for a primary key (states by their code) is one of the defaults, which copies share.
    key = table.column(table.primary_key[0])
    return key.logical_type == "integer" or database.is_uuid(key)


class _Plan:
    """How each value of copy `copy.k` follows from the row `t` that it is a copy of."""

    def __init__(self, database: OpenDatabase, copied: Sequence[Table]) -> None:
        self._database = database
        self._copied = {table.id: table for table in copied}
        self._strides = {table.id: _strides(database, table) for table in copied}

    def statement(self, table: Table, copies: int) -> str:
        """INSERT all copies of a table's rows, copy by copy, as a system grows."""
        columns = table.stored_columns
        values = dict(self._values(table))
        return (
            f"INSERT INTO {name_of(table)} ({', '.join(identifier(column.name) for column in columns)}) "
            f"SELECT {', '.join(values[column.name] for column in columns)} "
            f"FROM {name_of(table)} t, {self._database.series(copies)} "
            f"ORDER BY copy.k, t.{identifier(table.primary_key[0])}"
        )

    def _values(self, table: Table) -> Iterator[tuple[str, str]]:
        moves, marked = self._moves(table), self._marked(table)
        pointing = {name for reference in table.references for name in getattr(reference, "columns", ())}
        for column in table.stored_columns:
            value = f"t.{identifier(column.name)}"
            if column.name in moves:
                yield column.name, self._moved(column, value, moves[column.name])
            elif column.name in pointing:
                yield column.name, value
            elif column.name == "object_id":
                yield column.name, self._generic(column, value)
            else:
                yield column.name, self._differing(table, column, value, marked=column.name in marked)

    def _moves(self, table: Table) -> Mapping[str, int | None]:
        """The columns that identify or point at copied rows, and by how much a copy moves each; None: it is a UUID."""
        moves: dict[str, int | None] = dict(self._strides[table.id])
        for reference in table.references:
            if isinstance(reference, ForeignReference) and reference.target in self._copied:
                target = self._copied[reference.target]
                # A column that points and identifies at once (a child's key) moves as what it points at.
                pointed = moves if target is table else self._moves(target)
                for name, pointed_name in zip(reference.columns, reference.target_columns, strict=True):
                    moves[name] = pointed[pointed_name]
        return moves

    def _moved(self, column: Column, value: str, stride: int | None) -> str:
        if stride is not None:
            return f"{value} + copy.k * {stride}"
        return self._database.uuid(value, "copy.k")

    def _generic(self, column: Column, value: str) -> str:
        """An object id beside a content type: it moves as the key of whatever table that names."""
        models = self._database.rows("SELECT id, app_label, model FROM django_content_type ORDER BY id")
        cases = []
        for content_type, app, model in models:
            target = self._copied.get(f"{app}_{model}")
            if target is None:
                continue
            stride = self._moves(target)[target.primary_key[0]]
            if column.logical_type == "integer":
                if stride is None:
                    continue
                condition, moved = f"{value} IS NOT NULL", f"{value} + copy.k * {stride}"
            elif stride is None:
                condition, moved = f"length({value}) = 36", self._database.uuid_text(value, "copy.k")
            else:
                condition = self._database.is_number(value)
                moved = f"CAST(CAST({value} AS bigint) + copy.k * {stride} AS text)"
            cases.append(f"WHEN t.content_type_id = {content_type} AND {condition} THEN {moved}")
        return f"CASE {' '.join(cases)} ELSE {value} END"

    def _differing(self, table: Table, column: Column, value: str, *, marked: bool) -> str:
        database = self._database
        if database.is_uuid(column):
            return database.uuid(value, "copy.k")
        if column.logical_type == "datetime":
            return database.later(value, "copy.k")
        if column.logical_type != "text" or database.is_json(table, column):
            return value
        if _limit(column) == 64:
            return f"CASE WHEN length({value}) = 64 THEN {database.hex64(value, 'copy.k')} ELSE {value} END"
        if marked or self._is_mostly_different(table, column):
            return f"CASE WHEN {value} <> '' THEN {value} || '~' || copy.k ELSE {value} END"
        return f"CASE WHEN length({value}) > {_LONG} THEN {database.shuffled(value, 'copy.k')} ELSE {value} END"

    def _marked(self, table: Table) -> set[str]:
        """The texts that must differ, one for each unique key that nothing else makes differ."""
        moves = self._moves(table)
        marked = set()
        for key in table.unique_keys:
            columns = [table.column(name) for name in key.columns]
            if any(column.name in moves or self._database.is_uuid(column) for column in columns):
                continue
            texts = [column.name for column in columns if column.logical_type == "text"]
            if not texts:
                raise ValueError(f"nothing in the unique key {key.name} of {table.id} can be made to differ")
            marked.add(texts[0])
        return marked

    def _is_mostly_different(self, table: Table, column: Column) -> bool:
        if 0 < _limit(column) <= _SHORT:
            return False
        value = f"nullif({identifier(column.name)}, '')"
        ((different, filled),) = self._database.rows(
            f"SELECT count(DISTINCT {value}), count({value}) FROM {name_of(table)}"
        )
        return bool(different > _MOSTLY_DIFFERENT * filled)


def _strides(database: OpenDatabase, table: Table) -> dict[str, int | None]:
    """How far a copy moves what identifies a row on its own."""
    alone = {*table.primary_key, *(key.columns[0] for key in table.unique_keys if len(key.columns) == 1)}
    strides: dict[str, int | None] = {}
    for name in sorted(alone):
        column = table.column(name)
        if column.logical_type == "integer":
            highest = database.rows(f"SELECT coalesce(max({identifier(name)}), 0) FROM {name_of(table)}")[0][0]
            strides[name] = int(highest) + 7  # a gap, as deletions leave
        elif database.is_uuid(column):
            strides[name] = None
    return strides


def _limit(column: Column) -> int:
    """The characters a text may have; 0: any number."""
    found = re.search(r"\((\d+)\)", column.native_type)
    return int(found[1]) if found else 0
