"""The rows of one model of an old backup, in Parquet: keys and references as JSON, all other values as the engine stores them.

One pass over the model's JSON lines. What has no place is counted: models, fields and values that the code does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from edms_tasks.conversion.serialized_values import StoredForm, same_id, stored_form
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Column, Finding
from edms_tasks.legacy.code_models import CodeModel
from edms_tasks.legacy.old_backup import ModelRows
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, relation

_SHORTEST_BUFFER = 1 << 20
_TIMES = ("datetime", "time")
_THREE_DECIMALS = r":\d\d\.\d{3}(Z|[+-]\d\d(:?\d\d)*)?$"


@dataclass(frozen=True)
class StagedModel:
    """A model's rows on their way into the database.

    The file has `n` (the row's number), `pk` (its text, NULL if the backup lacks it; `n` of a key of several columns, to which nothing
    refers), `parent` (of a child's row without it: the key of the parent's, as JSON), `j<k>` (the column's value as JSON, if it is
    needed for keys or references), `v<k>` (its stored form, unless it is a reference or computed), `x<k>` (whether its value is none of the
    column's), `m<k>` (the list of a many-to-many field), `cut`, the number of its times with three decimals, and, of a key of several
    columns, `apart`: whether the row has other values in its fields than in its key.
    """

    model: CodeModel
    path: Path
    rows: int
    columns: tuple[Column, ...]  # at their positions k; without a primary key of one column
    many: tuple[str, ...]  # names of many-to-many fields, at their positions k
    encodings: dict[str, StoredForm]
    needed: frozenset[str]  # columns that have `j<k>`, besides references
    is_seed: bool = False  # the rows that the EDMS's migrations made
    source: ModelRows | None = None
    cut_times: int = 0  # with three decimals: Django's JSON cuts microseconds to these
    findings: tuple[Finding, ...] = field(default=())

    @property
    def relation(self) -> str:
        """SQL to select the rows from."""
        return f"read_parquet({literal(str(self.path))})"

    def position(self, column: str) -> int:
        """The position of a column."""
        return next(k for k, one in enumerate(self.columns) if one.name == column)

    def has_value(self, column: Column) -> bool:
        """Whether the file has the column's stored form."""
        return column.name not in self.model.references and not column.generated

    def is_key(self, column: str) -> bool:
        """Whether a column is the primary key."""
        return column == self.model.key_name


def lines_of(rows: ModelRows) -> str:
    """SQL to select a model's rows from: `n`, `pk`, `fields`."""
    assert rows.path is not None
    # DuckDB takes twice that much for each thread.
    longest = max(rows.longest + 1024, _SHORTEST_BUFFER)
    return (
        f"read_json({literal(str(rows.path))}, format = 'newline_delimited', maximum_object_size = {longest}, "
        "columns = {'n': 'BIGINT', 'pk': 'JSON', 'fields': 'JSON'})"
    )


def stage_model(
    cursor: duckdb.DuckDBPyConnection,
    engine: str,
    model: CodeModel,
    rows: ModelRows,
    path: Path,
    needed: frozenset[str],
) -> StagedModel:
    """Write a model's rows to `path`; `needed` are the columns whose values keys may need."""
    lines = lines_of(rows)
    present = {
        str(name): int(count)
        for name, count in cursor.execute(
            f"SELECT key, count(*) FROM (SELECT unnest(json_keys(fields)) AS key FROM {lines}) GROUP BY 1"
        ).fetchall()
    }
    fields = {**model.fields, **{name: column for name, column in model.computed.items() if column.name in needed}}
    columns = tuple(fields.values())
    names = {column.name: name for name, column in fields.items()}
    many = tuple(name for name in model.many if name in present)
    references = model.references
    has_parent = bool(model.key_field) and model.key_field in present
    wanted = [model.key_field] * has_parent
    wanted += [name for name in names.values() if name in present] + list(many)
    structure = "{" + ", ".join(f'{json.dumps(name)}: "JSON"' for name in wanted) + "}"
    place = {name: f"f.{identifier(name)}" for name in wanted}
    selected, forms = [], {}
    absent: list[Column] = []
    parts = {column: _part_of_key(at) for at, column in enumerate(model.key_columns)}
    for k, column in enumerate(columns):
        name = names[column.name]
        value = place.get(name, "CAST(NULL AS JSON)")
        if column.name in parts:
            value = f"coalesce({value}, {parts[column.name]})"
        elif name not in present and not column.generated:
            absent.append(column)
            if (default := model.absent_values.get(column.name)) is not None:
                value = f"CAST({literal(default)} AS JSON)"
        form = stored_form(engine, column, f"j{k}", array_depth=model.array_depths.get(column.name, 1))
        if not column.generated:
            forms[column.name] = form
        selected.append((k, column, value, form))
    inner = ", ".join(f"{value} AS j{k}" for k, _, value, _ in selected)
    lists = ", ".join(f"{place[name]} AS m{k}" for k, name in enumerate(many))
    outer = []
    for k, column, _, form in selected:
        if column.name in needed or column.name in references:
            outer.append(f"j{k}")
        if column.name not in references and not column.generated:
            outer.append(f"{form.expression} AS v{k}, (j{k} IS NOT NULL AND {form.expression} IS NULL) AS x{k}")
    outer += [f"m{k}" for k, _ in enumerate(many)]
    times = [f"j{k} ->> '$'" for k, column, _, _ in selected if column.logical_type in _TIMES]
    times += ["pk"] * (model.key_type in _TIMES)
    cut = [f"CAST(coalesce(regexp_matches({one}, '{_THREE_DECIMALS}'), false) AS BIGINT)" for one in times]
    outer.append(f"{' + '.join(cut) or '0'} AS cut")
    apart = [
        f"(json_type({place[name]}) <> 'ARRAY' AND ({place[name]} ->> '$') IS DISTINCT FROM ({part} ->> '$'))"
        for column, part in parts.items()
        if (name := names[column]) in place
    ]
    outer += ["apart"] * bool(apart)
    contradiction = f", json_type(pk) <> 'NULL' AND ({' OR '.join(apart)}) AS apart" if apart else ""
    key = same_id(model.key_column, "pk ->> '$'") if model.key_column is not None else "CAST(n AS VARCHAR)"
    parent = f"f.{identifier(model.key_field)}" if has_parent else "CAST(NULL AS JSON)"
    struct = f"json_transform(fields, {literal(structure)})" if wanted else "NULL"
    query = f"""
        SELECT n, pk, parent{"".join(f", {one}" for one in outer)}
        FROM (
            SELECT n, {key} AS pk, {parent} AS parent{", " + inner if inner else ""}{", " + lists if lists else ""}{contradiction}
            FROM (SELECT n, pk, {struct} AS f FROM {lines})
        )
    """
    cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
    found = cursor.execute(f"SELECT sum(cut) FROM read_parquet({literal(str(path))})").fetchone()
    assert found is not None  # an aggregate always returns one row
    staged = StagedModel(
        model, path, rows.rows, columns, many, forms, needed, source=rows, cut_times=int(found[0] or 0)
    )
    return replace(staged, findings=tuple(_findings(staged, present, absent, cursor)))


def _part_of_key(at: int) -> str:
    """SQL of a part of a key of several columns: Django writes a list, and in XML the list as a text."""
    key = "CASE json_type(pk) WHEN 'ARRAY' THEN pk WHEN 'VARCHAR' THEN TRY_CAST(pk ->> '$' AS JSON) END"
    part = f"json_extract({key}, '$[{at}]')"
    return f"CASE WHEN json_type({part}) <> 'NULL' THEN {part} END"


def stage_seeds(cursor: duckdb.DuckDBPyConnection, model: CodeModel, raw: RawTable, path: Path) -> StagedModel:
    """Stage the rows that the EDMS's migrations made, for references that lead to them; the rows themselves are loaded as they are."""
    columns = tuple(column for column in model.table.columns if column.name != model.key_name)
    values = ", ".join(
        f"to_json(CAST({identifier(column.name)} AS VARCHAR)) AS j{k}" for k, column in enumerate(columns)
    )
    key = "CAST(row_number() OVER () AS VARCHAR)"
    if model.key_column is not None:
        key = same_id(model.key_column, f"CAST({identifier(model.key_name)} AS VARCHAR)")
    query = f"SELECT row_number() OVER () AS n, {key} AS pk, CAST(NULL AS JSON) AS parent, {values} FROM {relation(model.table, raw)}"
    cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
    needed = frozenset(column.name for column in columns)
    return StagedModel(model, path, raw.rows, columns, (), {}, needed, is_seed=True)


def needed_columns(models: Iterable[CodeModel]) -> dict[str, frozenset[str]]:
    """Table.id -> the columns whose values natural keys, or the search for lost ones, may need."""
    by_table = {model.table.id: model for model in models}
    found: dict[str, set[str]] = {table: set() for table in by_table}
    for model in by_table.values():
        if model.natural_key is None or model.key_type == "text":
            found[model.table.id] |= {
                column.name
                for column in model.fields.values()
                if column.logical_type in ("text", "integer", "uuid", "date")
            }
        for path in model.natural_key or ():
            here: CodeModel | None = model
            for column in path:
                if here is None:
                    break
                found[here.table.id].add(column)
                reference = here.references.get(column)
                here = by_table.get(reference.target) if reference is not None else None
        for reference in model.references.values():
            if reference.target in by_table:
                found[reference.target].add(reference.target_columns[0])
    return {table: frozenset(columns) for table, columns in found.items()}


def _findings(
    staged: StagedModel, present: dict[str, int], absent: list[Column], cursor: duckdb.DuckDBPyConnection
) -> list[Finding]:
    model, found = staged.model, []
    known = {*model.fields, *model.many} | ({model.key_field} - {""})
    for name, count in sorted(present.items()):
        if name in model.columnless:
            what = "The field has no column of its own: other fields have its values."
            found.append(make_finding("old-field-computed", f"{model.label}.{name}", what, count=count))
        elif name in model.computed:
            found.append(make_finding("old-field-computed", f"{model.label}.{name}", count=count))
        elif name not in known:
            found.append(make_finding("old-field-unknown", f"{model.label}.{name[:100]}", count=count))
    of_key = {name for name, column in model.fields.items() if column.name in model.key_columns}
    for name, count in sorted(present.items()):
        if name in known - of_key and count < staged.rows:
            found.append(
                make_finding(
                    "old-field-absent",
                    f"{model.label}.{name}",
                    severity="error",
                    message="Some rows lack this field and others have it. It is empty in these rows.",
                    count=staged.rows - count,
                )
            )
    for name in model.many:
        if name not in present:
            what = "The code has this field and the backup lacks it. The rows have no entries."
            found.append(
                make_finding(
                    "old-field-absent", f"{model.label}.{name}", severity="info", message=what, count=staged.rows
                )
            )
    for column in absent:
        default = model.absent_values.get(column.name, "NULL")
        lost = default == "NULL" and not column.nullable
        becomes = "no value that the column allows, and are left out" if lost else default
        found.append(
            make_finding(
                "old-field-absent",
                f"{model.label}.{column.field or column.name}",
                severity="error" if lost else "info",
                message=f"The code has this field and the backup lacks it. The rows have {becomes}.",
                count=staged.rows,
            )
        )
    if of_key & set(present):
        row = cursor.execute(f"SELECT count_if(apart), any_value(n) FILTER (apart) FROM {staged.relation}").fetchone()
        assert row is not None  # an aggregate always returns one row
        if row[0]:
            what = "The key of these rows has other values than their fields have. The values of the fields are in the snapshot."
            example = f"row {row[1]} of the model in the backup"
            found.append(make_finding("old-value-invalid", model.label, what, count=int(row[0]), examples=(example,)))
    checked = [k for k, column in enumerate(staged.columns) if staged.has_value(column)]
    if checked:
        counts = ", ".join(f"count_if(x{k}), any_value(n) FILTER (x{k})" for k in checked)
        row = cursor.execute(f"SELECT {counts} FROM {staged.relation}").fetchone()
        assert row is not None  # an aggregate always returns one row
        for at, k in enumerate(checked):
            if row[2 * at]:
                column = staged.columns[k]
                found.append(
                    make_finding(
                        "old-value-invalid",
                        f"{model.label}.{column.field or column.name}",
                        f"Values are no values of the column ({column.native_type})."
                        + (" The column is empty in these rows." if column.nullable else " These rows are left out."),
                        count=int(row[2 * at]),
                        examples=(f"row {row[2 * at + 1]} of the model in the backup",),
                    )
                )
    return found
