"""Find the rows whose natural key may differ from that in the previous snapshot, and the unchanged rows that refer to them.

A natural key is made of a row's own columns and of rows that it refers to, at any depth. So it can only differ if one of these
columns changed, or if the row refers to one whose key may differ. Only ids are joined: of rows that are new, gone or changed, and
of those that refer to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb

from edms_tasks.digests.value_equality import ColumnStorage, leads_to, storage_of
from edms_tasks.errors import DamagedRepository, RepositorySealed
from edms_tasks.incremental.compared_rows import ComparedRows
from edms_tasks.incremental.key_columns import key_columns
from edms_tasks.inventory.model import CONTENT_TYPES, ForeignReference, GenericReference, Reference, Table
from edms_tasks.keys.checked_keys import generic_content_type, generic_object_id, object_id_of_row
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.raw_table import RawTable, write_raw
from edms_tasks.scratch.workspace import relation, types_of_rows

_ANY = "true"
_FLOATING = {"DOUBLE", "FLOAT"}
_ALL = ""  # in place of a relation: any row may have another key


@dataclass
class ChangedTargets:
    """For each table the values by which rows refer to those of its rows whose key may differ.

    Args:
        cursor: where to compute.
        tables: table id -> the tables whose rows were read.
        raws: their rows.
        entries: table id -> the entry in the previous snapshot.
        compared: the tables whose rows could be compared with it.
        folder: for temporary files; created.
    """

    cursor: duckdb.DuckDBPyConnection
    tables: Mapping[str, Table]
    raws: Mapping[str, RawTable]
    entries: Mapping[str, TableEntry]
    compared: Mapping[str, ComparedRows]
    folder: Path
    _changed: dict[str, str] = field(
        default_factory=dict
    )  # table id -> relation, or _ALL; tables without such rows are not in it
    _read: dict[tuple[str, int], list[Path]] = field(default_factory=dict)  # table id, block -> its stored rows

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._types = {
            table_id: types_of_rows(self.cursor, table, self.raws[table_id]) for table_id, table in self.tables.items()
        }
        self._columns = key_columns(self.tables, self.entries)
        for table_id in self.entries.keys() - self.tables.keys():
            if self.entries[table_id].state.rows:  # its rows are left out now
                self._changed[table_id] = _ALL
        for table_id in sorted(self.tables):
            if self._columns[table_id].pointed:
                self._add_changed_rows(table_id)
        self._add_rows_that_lead_to_changed_ones()

    def is_referred_to_by_unchanged_rows(self, table_id: str) -> bool:
        """Whether an unchanged row of a compared table refers to a row whose key may differ."""
        table, compared = self.tables[table_id], self.compared[table_id]
        meets = self._meets(table, table.references)
        if not meets or not compared.unchanged:
            return False
        if _ANY in meets:
            return True
        counts = [
            self._number(f"SELECT count(*) FROM {relation(table, rows)} t WHERE {' OR '.join(meets)}")
            if rows.rows
            else 0
            for rows in (self.raws[table_id], compared.changed)
        ]
        return counts[0] != counts[1]

    def stored_rows(self, table_id: str, places: AbstractSet[int]) -> str | None:
        """The relation of a compared table's stored rows in these blocks (at least one); None if they cannot be read.

        It has the columns of the references and of the keys.
        """
        table, stored = self.tables[table_id], self.compared[table_id].stored
        names = self._columns[table_id].stored(table, stored.entry.types or {})
        files = []
        for place in sorted(places):
            if (table_id, place) not in self._read:
                try:
                    rows = stored.rows_of(place, names)
                except (DamagedRepository, RepositorySealed):
                    return None
                paths = [self.folder / f"{len(self._read):06d}-{number}.parquet" for number in range(len(rows))]
                for path, (part, _) in zip(paths, rows, strict=True):
                    write_raw(part, path)
                self._read[table_id, place] = paths
            files += self._read[table_id, place]
        return relation(table, RawTable(table_id, 1, {}, tuple(files)))

    def _add_changed_rows(self, table_id: str) -> None:
        """Add a table's rows that are new, gone or changed in the columns that keys and references use."""
        compared, entry = self.compared.get(table_id), self.entries.get(table_id)
        if compared is None:
            if entry is not None and entry.state.rows:
                self._changed[table_id] = _ALL
            elif self.raws[table_id].rows:  # all of them are new
                self._add(table_id, relation(self.tables[table_id], self.raws[table_id]))
            return
        if compared.is_whole:
            return
        names = sorted(self._columns[table_id].all)
        places = compared.changed_in(names)
        if not places:
            return
        before, now = self.stored_rows(table_id, places), compared.rows_of(places)
        if before is None:
            self._changed[table_id] = _ALL
            return
        table = self.tables[table_id]
        # 0.0 equals -0.0, but a key has their texts.
        texts = [
            f"CAST({identifier(name)} AS VARCHAR) AS {identifier('text of ' + name)}"
            for name in names
            if self._types[table_id][name] in _FLOATING
        ]
        wanted = ", ".join([identifiers(names), *texts])
        differing = f"SELECT {wanted} FROM {before}"
        if now.rows:
            present = f"SELECT {wanted} FROM {relation(table, now)}"
            differing = f"({differing} EXCEPT {present}) UNION ALL ({present} EXCEPT {differing})"
        self._add(table_id, f"({differing})")

    def _add_rows_that_lead_to_changed_ones(self) -> None:
        """Add rows whose keys pass through references to changed ones, until there are no more."""
        grown = set(self._changed)
        while grown:
            growing = set()
            for table_id, its in self._columns.items():
                table, raw = self.tables[table_id], self.raws[table_id]
                if self._changed.get(table_id) == _ALL or not its.pointed or not raw.rows:
                    continue
                meets = self._meets(table, its.followed, grown)
                if _ANY in meets:
                    self._changed[table_id] = _ALL
                    growing.add(table_id)
                elif meets and self._add(table_id, relation(table, raw), " OR ".join(meets)):
                    growing.add(table_id)
            grown = growing

    def _add(self, table_id: str, rows: str, where: str = "true") -> bool:
        """Add rows of a table; False if all of them are there already."""
        table, types = self.tables[table_id], self._types[table_id]
        columns = [
            f"{self._held(table, name).pointed_at(f't.{identifier(name)}')} AS {identifier('c:' + name)}"
            for name in sorted(self._columns[table_id].pointed)
        ]
        if len(table.primary_key) == 1:
            columns.append(f"{object_id_of_row(table, types)} AS object_id")
        query = f"SELECT DISTINCT {', '.join(columns)} FROM {rows} t WHERE {where}"
        held = self._changed.get(table_id)
        if held is None:
            held = identifier(f"changed of {table_id}")
            self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {held} AS {query} LIMIT 0")
        added = self._number(f"INSERT INTO {held} ({query} EXCEPT SELECT * FROM {held})")
        if added:
            self._changed[table_id] = held
        return added > 0

    def _meets(self, table: Table, references: Sequence[Reference], grown: set[str] | None = None) -> list[str]:
        """SQL conditions of raw rows `t` that refer to changed rows; `_ANY` if all may. `grown`: only to rows of these tables."""
        if not self.raws[table.id].rows:
            return []
        return [condition for reference in references for condition in self._conditions(table, reference, grown)]

    def _conditions(self, table: Table, reference: Reference, grown: set[str] | None) -> Iterator[str]:
        changed = {name: held for name, held in self._changed.items() if grown is None or name in grown}
        if isinstance(reference, ForeignReference):
            # What a temporal reference stands for are its own values.
            for target in () if reference.temporal else reference.targets:
                if target in changed:
                    yield self._points_into(table, reference, target, changed[target]) if changed[target] else _ANY
        elif isinstance(reference, GenericReference):
            if CONTENT_TYPES in changed:
                yield _ANY
            yield from self._generic_conditions(table, reference, changed)
        elif reference.target in changed or CONTENT_TYPES in changed:
            yield _ANY

    def _points_into(self, table: Table, reference: ForeignReference, target: str, held: str) -> str:
        condition = leads_to(
            reference,
            lambda column: self._held(table, column),
            lambda column: self._held(self.tables[target], column),
            self._types[table.id],
            pointing="t",
            pointed="x",
            prefix="c:",
        )
        return f"EXISTS (SELECT 1 FROM {held} x WHERE {condition})"

    def _generic_conditions(
        self, table: Table, reference: GenericReference, changed: Mapping[str, str]
    ) -> Iterator[str]:
        encodings, types = self.raws[table.id].encodings, self._types[table.id]
        content_type = generic_content_type("t.", reference, encodings)
        object_id = generic_object_id("t.", reference, types, encodings)
        pairs = []
        for target, held in changed.items():
            for number in self._content_types_of(target):
                if held:
                    pairs.append(f"SELECT {literal(number)} AS content_type, object_id FROM {held}")
                else:
                    yield f"{content_type} = {literal(number)}"
        if pairs:
            same = f"x.content_type = {content_type} AND x.object_id = {object_id}"
            yield f"EXISTS (SELECT 1 FROM ({' UNION ALL '.join(pairs)}) x WHERE {same})"

    def _content_types_of(self, table_id: str) -> list[str]:
        """The ids, as text, of the content types of a table's rows; none if generic references cannot refer to them."""
        table = self.tables.get(table_id)
        if table is None or len(table.primary_key) != 1 or CONTENT_TYPES not in self.tables:
            return []
        labels = {f"{app}.{model}" for app, model in table.content_types}
        return sorted(number for label in labels for number in self._content_type_ids.get(label, ()))

    @cached_property
    def _content_type_ids(self) -> dict[str, list[str]]:
        """Labels of models ("documents.document") -> the ids, as text, of their content types."""
        rows = relation(self.tables[CONTENT_TYPES], self.raws[CONTENT_TYPES])
        query = f"SELECT app_label || '.' || model, list(CAST(id AS VARCHAR)) FROM {rows} GROUP BY 1"
        return dict(self.cursor.execute(query).fetchall())

    def _held(self, table: Table, column: str) -> ColumnStorage:
        return storage_of(table, self.raws[table.id], self._types[table.id], column)

    def _number(self, query: str) -> int:
        row = self.cursor.execute(query).fetchone()
        assert row is not None  # counts and INSERT always return one row
        return int(row[0])
