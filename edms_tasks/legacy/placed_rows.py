"""Place the rows of an old backup in the tables of the EDMS's present code: as files that a staging database loads, and what has no place.

A row that cannot be placed is left out with its reason, and so are the rows that cannot do without it. Nothing is invented in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import duckdb

from edms_tasks.conversion.serialized_values import stored_form
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import CONTENT_TYPES, ROW_ID, Table
from edms_tasks.legacy.code_models import CodeModel, ManyToMany
from edms_tasks.legacy.content_types import combine_content_types
from edms_tasks.legacy.kept_seeds import kept_seeds, targets
from edms_tasks.legacy.not_accepted import RefusedRows
from edms_tasks.legacy.old_backup import ModelRows
from edms_tasks.legacy.pieces_of_tables import in_pieces
from edms_tasks.legacy.placed_keys import PlacedKeys
from edms_tasks.legacy.placed_tables import PlacedRows, PlacedTable
from edms_tasks.legacy.repeated_rows import keyed_rows, repeated_rows
from edms_tasks.legacy.soft_ids import highest_soft_id, lost_soft_ids
from edms_tasks.legacy.staged_models import StagedModel, lines_of, needed_columns, stage_model, stage_seeds
from edms_tasks.legacy.unresolved_references import by_id, unresolved_references
from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET

_HIGHEST_BASE = 2**30  # keys of 32 bits must have room for as many again


def place_rows(
    cursor: duckdb.DuckDBPyConnection,
    engine: str,
    models: Mapping[str, CodeModel],
    rows: Sequence[ModelRows],
    seeds: Mapping[str, RawTable],
    folder: Path,
    placeless: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    refused: RefusedRows | None = None,
) -> PlacedRows:
    """Place all rows.

    Args:
        cursor: a DuckDB database with `serialized_functions`.
        engine: the engine of the database.
        models: the models of the code, by label in lower case.
        rows: the rows of the backup.
        seeds: Table.id -> the rows that the EDMS's migrations made, of all tables that have any.
        folder: for files; it exists.
        placeless: `models_without_place`.
        refused: rows that the database did not accept when they were placed before.
    """
    return _Placing(cursor, engine, models, seeds, folder, placeless, refused).place(rows)


class _Placing:
    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        engine: str,
        models: Mapping[str, CodeModel],
        seeds: Mapping[str, RawTable],
        folder: Path,
        placeless: Mapping[str, tuple[str, str]],
        refused: RefusedRows | None,
    ) -> None:
        self.placeless, self.refused = placeless, refused
        self.cursor, self.engine, self.models, self.seeds, self.folder = cursor, engine, models, seeds, folder
        self.made = PlacedRows()
        self.staged: dict[str, StagedModel] = {}
        self.left: dict[str, list[str]] = {}  # Table.id -> relations of (n, why)
        self.silent: dict[str, str] = {}  # Table.id -> relation of (n): rows that are there already
        self.files = 0
        self.keys = PlacedKeys(cursor, self.staged, folder)

    def place(self, rows: Sequence[ModelRows]) -> PlacedRows:
        needed = needed_columns(self.models.values())
        for one in rows:
            model = self.models.get(one.model)
            if model is None:
                what, why = self.placeless.get(one.model, ("", "the code has no such model"))
                code = "old-row-left-out" if what else "old-model-unknown"
                self.made.findings.append(make_finding(code, one.model[:200], what, count=one.rows))
                self._list(lines_of(one), one.model, f"SELECT n, {literal(why)} AS why FROM {lines_of(one)}")
                continue
            if model.table.id in self.staged:  # a proxy's rows beside its model's: Django writes none
                self.made.findings.append(
                    make_finding("old-row-left-out", one.model, "Rows of a proxy model.", count=one.rows)
                )
                continue
            staged = stage_model(self.cursor, self.engine, model, one, self._path("staged"), needed[model.table.id])
            self.made.findings += staged.findings
            self.made.cut_times += staged.cut_times
            self.staged[model.table.id] = staged
        in_backup = list(self.staged)
        kept = kept_seeds(self.models, self.staged, self.seeds)
        for table in kept:
            model = next((model for model in self.models.values() if model.table.id == table), None)
            if model is not None:
                self.staged[table] = stage_seeds(self.cursor, model, self.seeds[table], self._path("seeds"))
        keys = self.keys
        if CONTENT_TYPES in in_backup and any(CONTENT_TYPES in targets(self.models, table) for table in kept):
            self.silent[CONTENT_TYPES] = combine_content_types(
                keys, self.staged[CONTENT_TYPES], self.seeds, self._path("types")
            )
        above = self._highest_object_id(in_backup)
        for table in in_backup:
            keys.keys(table, above=above)
            self._duplicates(table)
            self._unfit(table)
        self._leave_out_dependents(in_backup)
        self._leave_out_refused(in_backup)
        for table in in_backup:
            self.made.findings += unresolved_references(keys, self.models, table, self._left)
            self.made.findings += lost_soft_ids(keys, table)
            self._write(table)
            for number, name in enumerate(self.staged[table].many):
                self._write_many(table, number, self.staged[table].model.many[name])
        self._keep(kept, in_backup)
        self.made.findings += keys.findings
        for table in in_backup:
            self._list_left_out(table)
        return self.made

    def _path(self, name: str) -> Path:
        self.files += 1
        return self.folder / f"{name}-{self.files:05d}.parquet"

    def _kept(self, query: str) -> str:
        path = self._path("r")
        self.cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
        return f"read_parquet({literal(str(path))})"

    # -- rows of migrations --------------------------------------------------------------------------------------------

    def _keep(self, kept: Sequence[str], in_backup: Sequence[str]) -> None:
        tables = {model.table.id: model.table for model in self.models.values()}
        for table in kept:
            raw = self.seeds[table]
            if table in tables:
                self.made.tables.append(PlacedTable(tables[table], raw.rows, raw.encodings, raw.files))
                self.made.findings.append(make_finding("old-rows-from-migrations", tables[table].label, count=raw.rows))
        for table, one in tables.items():
            if table not in in_backup and table not in kept:
                self.made.findings.append(make_finding("old-model-not-in-backup", one.label))

    # -- what cannot be placed -----------------------------------------------------------------------------------------

    def _duplicates(self, table: str) -> None:
        """Leave out rows that stand there twice: the same row is one; of others with the same key the last counts."""
        staged = self.staged[table]
        if staged.source is None:
            return
        lines = lines_of(staged.source)
        for keyed in keyed_rows(self.keys, table):
            again = repeated_rows(self.cursor, lines, keyed, self._kept)
            if again is not None:
                self.made.findings += again.findings(staged.model.label)
                self._leave(table, again.earlier)

    def _leave(self, table: str, query: str) -> int:
        """Leave out the rows of a query of (n, why); returns how many are new."""
        known = self._left(table)
        fresh = self._kept(
            f"SELECT n, any_value(why) AS why FROM ({query}) WHERE n NOT IN (SELECT n FROM {known}) GROUP BY n"
        )
        count = self.keys.number(f"SELECT count(*) FROM {fresh}")
        if count:
            self.left.setdefault(table, []).append(fresh)
        return count

    def _left(self, table: str) -> str:
        """Relation of (n, why) of the rows of a table that are left out so far."""
        parts = [f"SELECT n, why FROM {one}" for one in self.left.get(table, ())]
        parts.append("SELECT CAST(NULL AS BIGINT) AS n, CAST(NULL AS VARCHAR) AS why WHERE false")
        return f"({' UNION ALL '.join(parts)})"

    def _unfit(self, table: str) -> None:
        """Rows without a key, and rows that lack a value where the column needs one."""
        staged = self.staged[table]
        if table in self.keys.lost:
            self._leave(table, f"SELECT n, 'its key is lost' AS why FROM {self.keys.lost[table]}")
        required = [k for k, column in enumerate(staged.columns) if not column.nullable and staged.has_value(column)]
        if required:
            missing = " OR ".join(f"v{k} IS NULL" for k in required)
            count = self._leave(
                table,
                f"SELECT n, 'a column that must have a value has none' AS why FROM {staged.relation} WHERE {missing}",
            )
            self._report_left(staged, count, "A column that must have a value has none in them.")
        if staged.model.key_column is None:  # its columns are among the required ones
            return
        key = stored_form(self.engine, staged.model.key_column, "to_json(id)").expression
        bad = f"SELECT n, 'its key is no value of the column' AS why FROM {self.keys.keys(table)} WHERE {key} IS NULL"
        self._report_left(staged, self._leave(table, bad), "Their keys are no values of the column.")

    def _report_left(self, staged: StagedModel, count: int, why: str) -> None:
        if count:
            self.made.findings.append(make_finding("old-row-left-out", staged.model.label, why, count=count))

    def _leave_out_dependents(self, in_backup: Sequence[str]) -> None:
        """Leave out rows whose required references lead nowhere, and so on, until nothing changes."""
        while True:
            changed = 0
            for table in in_backup:
                staged = self.staged[table]
                for column, reference in staged.model.references.items():
                    if not staged.is_key(column) and staged.model.table.column(column).nullable:
                        continue
                    resolved = self.keys.resolved(table, column)
                    if resolved is None or (reference.target not in self.staged and not reference.enforced):
                        continue
                    gone = self._left(reference.target)
                    query = (
                        f"SELECT n, {literal(f'{column} refers to a row that is not there')} AS why FROM {resolved} "
                        f"WHERE tn IS NULL OR tn IN (SELECT n FROM {gone})"
                    )
                    if not staged.is_key(column):
                        k = staged.position(column)
                        query += f" UNION ALL SELECT n, {literal(f'{column} is empty')} FROM {staged.relation} WHERE j{k} IS NULL"
                    changed += self._leave(table, query)
            if not changed:
                return

    def _leave_out_refused(self, in_backup: Sequence[str]) -> None:
        """Leave out what the database refused, of rows that it does not allow together all but the last, and what depends on them."""
        if self.refused is None:
            return
        for table in in_backup:
            for constraint in self.refused.constraints(self.cursor, table):
                key = self.staged[table].model.table.primary_key
                values, _, source = self._stored(table)
                stored = ", ".join(f"CAST({values[column]} AS VARCHAR)" for column in key)
                query = self.refused.query(table, constraint, f"SELECT s.n, [{stored}] AS key {source}")
                why = (
                    f"The database does not accept them: {constraint} forbids them, or forbids them beside later rows."
                )
                self._report_left(self.staged[table], self._leave(table, query), why)
        self._leave_out_dependents(in_backup)

    def _highest_object_id(self, in_backup: Sequence[str]) -> int:
        """The highest number in any generic or soft reference: assigned keys begin above it, so that none leads to a wrong row."""
        found = 0
        for table in in_backup:
            found = max(found, highest_soft_id(self.keys, table, _HIGHEST_BASE))
            staged = self.staged[table]
            known = {column.name for column in staged.columns if staged.has_value(column)}
            for generic in staged.model.generics:
                if generic.object_id_column in known:
                    k = staged.position(generic.object_id_column)
                    number = f"TRY_CAST(CAST(v{k} AS VARCHAR) AS BIGINT)"
                    highest = f"SELECT max({number}) FROM {staged.relation} WHERE {number} < {_HIGHEST_BASE}"
                    found = max(found, self.keys.number(highest))
        return found

    # -- the tables ----------------------------------------------------------------------------------------------------

    def _write(self, table: str) -> None:
        model = self.staged[table].model
        values, encodings, source = self._stored(table)
        for column in model.table.stored_columns:  # columns that no field has
            if column.name not in values:
                values[column.name], encodings[column.name] = "CAST(NULL AS VARCHAR)", next(iter(encodings.values()))
        if model.table.row_ids:
            values[ROW_ID], encodings[ROW_ID] = "row_number() OVER (ORDER BY s.n)", "native"
        selected = ", ".join(f"{value} AS {identifier(name)}" for name, value in values.items())
        self._add(model.table, f"SELECT {selected} {source}", encodings, model.key_name)

    def _stored(self, table: str) -> tuple[dict[str, str], dict[str, Encoding], str]:
        """Of the rows that are in the snapshot: column -> SQL of its stored form; the encodings; FROM and WHERE, with the rows as `s`."""
        staged = self.staged[table]
        model, references = staged.model, staged.model.references
        joins: list[str] = []
        values: dict[str, str] = {}
        encodings: dict[str, Encoding] = {}
        if model.key_column is not None:
            key = stored_form(self.engine, model.key_column, "to_json(i.id)")
            values[model.key_name], encodings[model.key_name] = key.expression, key.encoding
        for k, column in enumerate(staged.columns):
            if column.generated:
                continue
            form = staged.encodings[column.name]
            encodings[column.name] = form.encoding
            values[column.name] = f"s.v{k}"
            if column.name in references:
                new = stored_form(self.engine, column, f"to_json(t{k}.id)")
                joins.append(f"LEFT JOIN {self._target_ids(table, column.name)} t{k} ON t{k}.n = s.n")
                values[column.name] = new.expression
        excluded = f"SELECT n FROM {self._left(table)}"
        if table in self.silent:
            excluded += f" UNION ALL SELECT n FROM {self.silent[table]}"
        source = f"FROM {staged.relation} s JOIN {self.keys.keys(table)} i ON i.n = s.n {' '.join(joins)} WHERE s.n NOT IN ({excluded})"
        return values, encodings, source

    def _add(self, table: Table, query: str, encodings: dict[str, Encoding], key: str) -> None:
        path = self._path("table")
        self.cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
        highest = f"max(TRY_CAST(CAST({identifier(key)} AS VARCHAR) AS BIGINT))" if key else "NULL"
        row = self.cursor.execute(f"SELECT count(*), {highest} FROM read_parquet({literal(str(path))})").fetchone()
        assert row is not None  # an aggregate always returns one row
        self.made.tables.append(PlacedTable(table, int(row[0]), encodings, in_pieces(path), row[1]))

    def _target_ids(self, table: str, column: str) -> str:
        """SQL of (n, id): what a reference's column holds in the snapshot; no row where it leads nowhere."""
        reference = self.staged[table].model.references[column]
        resolved = self.keys.resolved(table, column)
        return self._ids_of(str(resolved), reference.target, reference.target_columns[0])

    def _ids_of(self, resolved: str, target: str, target_column: str, more: str = "") -> str:
        if target not in self.staged:
            return f"(SELECT CAST(NULL AS BIGINT) AS n, CAST(NULL AS VARCHAR) AS id{', NULL AS at' if more else ''} WHERE false)"
        staged = self.staged[target]
        ids = self.keys.keys(target)
        if not staged.is_key(target_column):
            ids = f"(SELECT n, value AS id FROM ({self.keys.values(target, (target_column,), 0)}))"
        extra = f", r.{more}" if more else ""
        left = f"SELECT n FROM {self._left(target)}"
        return f"(SELECT r.n, i.id{extra} FROM {resolved} r JOIN {ids} i ON i.n = r.tn WHERE r.tn NOT IN ({left}))"

    def _write_many(self, table: str, number: int, many: ManyToMany) -> None:
        """The rows of a many-to-many field's own table; their keys mean nothing, and are numbered."""
        staged = self.staged[table]
        source = (
            f"SELECT n, unnest(json_transform(m{number}, '[\"JSON\"]')) AS j FROM {staged.relation} WHERE "
            f"json_type(m{number}) = 'ARRAY'"
        )
        no_list = f"json_type(m{number}) NOT IN ('ARRAY', 'NULL')"
        if count := self.keys.number(f"SELECT count(*) FROM {staged.relation} WHERE {no_list}"):
            what = "Values of a many-to-many field are no lists. The rows have no entries."
            self.made.findings.append(
                make_finding("old-value-invalid", f"{staged.model.label}.{many.name}", what, count=count)
            )
        target = self.staged.get(many.target)
        target_key = target.model.key_name if target is not None else ""
        resolved = self.keys.resolve(("many", table, many.name), source, many.target, target_key)
        ids = self._ids_of(resolved, many.target, target_key)
        count = self.keys.by_id_of_migrations(("many", table, many.name), source, many.target)
        self.made.findings += by_id(f"{staged.model.label}.{many.name}", count)
        left = self._left(table)
        owners = f"(SELECT n, id FROM {self.keys.keys(table)} WHERE n NOT IN (SELECT n FROM {left}))"
        pairs = self._kept(f"SELECT DISTINCT o.id AS owner, t.id AS target FROM {owners} o JOIN {ids} t ON t.n = o.n")
        all_of = f"SELECT count(*) FROM ({source}) WHERE n IN (SELECT n FROM {owners})"
        lost = self.keys.number(all_of) - self.keys.number(f"SELECT count(*) FROM {ids} t JOIN {owners} o ON o.n = t.n")
        if lost:
            message = "Entries of a many-to-many field lead to no row of the snapshot. They are left out."
            self.made.findings.append(
                make_finding("old-reference-unresolved", f"{staged.model.label}.{many.name}", message, count=lost)
            )
        columns = {column.name: column for column in many.table.columns}
        owner = stored_form(self.engine, columns[many.owner_column], "to_json(owner)")
        other = stored_form(self.engine, columns[many.target_column], "to_json(target)")
        values = {many.owner_column: owner, many.target_column: other}
        selected = ", ".join(f"{form.expression} AS {identifier(name)}" for name, form in values.items())
        encodings = {name: form.encoding for name, form in values.items()}
        key = many.table.primary_key[0]
        counter = stored_form(self.engine, columns[key], "to_json(row_number() OVER (ORDER BY owner, target))")
        encodings[key] = counter.encoding
        row_id = f", row_number() OVER () AS {identifier(ROW_ID)}" if many.table.row_ids else ""
        numbered = f"SELECT owner, target, row_number() OVER (ORDER BY owner, target) AS number FROM {pairs}"
        form = stored_form(self.engine, columns[key], "to_json(number)").expression
        self._add(
            many.table, f"SELECT {form} AS {identifier(key)}, {selected}{row_id} FROM ({numbered})", encodings, key
        )

    # -- the list of what was left out ---------------------------------------------------------------------------------

    def _list_left_out(self, table: str) -> None:
        staged = self.staged[table]
        if self.left.get(table) and staged.source is not None:
            lines = lines_of(staged.source)
            self._list(lines, staged.model.label, f"SELECT n, why FROM {self._left(table)}")

    def _list(self, lines: str, model: str, left: str) -> None:
        path = self._path("left-out").with_suffix(".jsonl")
        query = f"SELECT {literal(model)} AS model, l.why, r.pk, r.fields FROM {lines} r JOIN ({left}) l ON l.n = r.n"
        self.cursor.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT json)")
        self.made.left_out.append(path)
