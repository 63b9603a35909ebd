"""Find references to rows that the EDMS keeps in another database: a merge does not see these rows, and cannot say which they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.inventory.model import CONTENT_TYPES, GenericReference, Table
from edms_tasks.inventory.probe_report import ProbeModel, ProbeReport
from edms_tasks.keys.checked_keys import generic_content_type
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.declared_without_ids import Accepted, subject_of
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.planning import Policy, written
from edms_tasks.quoting import literal


@dataclass(frozen=True)
class OtherDatabases:
    """What refers to rows of other databases.

    Args:
        columns: (table id, column) -> the model whose ids it holds.
        models: (app label, model name) as in content types -> the model.
    """

    columns: Mapping[tuple[str, str], ProbeModel]
    models: Mapping[tuple[str, str], ProbeModel]


def other_databases_of(report: ProbeReport | None, tables: Sequence[Table], *, own_edms: bool) -> OtherDatabases:
    """What refers to rows of other databases; nothing if the snapshot is of the same EDMS, whose other databases stay as they are."""
    elsewhere = {model.table: model for model in report.models if model.elsewhere} if report is not None else {}
    if report is None or own_edms or not elsewhere:
        return OtherDatabases({}, {})
    by_label = {model.label: model for model in report.models}
    columns = {
        (table.id, field.column): elsewhere[field.reference_table]
        for table in tables
        if table.model in by_label
        for field in by_label[table.model].fields
        if field.reference_table in elsewhere and any(column.name == field.column for column in table.columns)
    }
    return OtherDatabases(columns, {(model.app_label, model.model_name): model for model in elsewhere.values()})


def ids_of_other_databases(
    cursor: duckdb.DuckDBPyConnection,
    matched: Matched,
    policies: Mapping[str, Policy],
    accepted: Accepted,
    others: OtherDatabases,
) -> tuple[list[str], list[Conflict]]:
    """The columns whose ids the user accepts as they are, and a conflict for each other column with such ids in rows to be written."""
    waved, conflicts = [], []
    for subject, model, count, examples in _held(cursor, matched, policies, others):
        if accepted.column(subject):
            waved.append(subject)
        else:
            conflicts.append(_conflict(subject, model, count, examples))
    return waved, conflicts


def _held(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], others: OtherDatabases
) -> Iterator[tuple[str, ProbeModel, int, tuple[str, ...]]]:
    """(column, model, rows, examples)."""
    for (table_id, name), model in others.columns.items():
        source = matched.sources.get(table_id)
        if source is not None and source.rows:
            yield from _counted(cursor, matched, policies, source, name, "true", model)
    types = _content_types(cursor, matched.sources.get(CONTENT_TYPES), others.models)
    for source in matched.sources.values() if types else ():
        for reference in source.table.references:
            if isinstance(reference, GenericReference) and source.rows:
                kind = generic_content_type("s.", reference, source.side.raws[source.table.id].encodings)
                for number, model in types.items():
                    condition = f"{kind} = {literal(number)}"
                    yield from _counted(cursor, matched, policies, source, reference.object_id_column, condition, model)


def _counted(
    cursor: duckdb.DuckDBPyConnection,
    matched: Matched,
    policies: Mapping[str, Policy],
    source: Identified,
    name: str,
    condition: str,
    model: ProbeModel,
) -> Iterator[tuple[str, ProbeModel, int, tuple[str, ...]]]:
    table = source.table
    value, rows = source.text(name, "s"), matched.rewritten[table.id]
    (count, examples) = cursor.execute(
        f"SELECT count(*), list(DISTINCT {value})[:3] FROM {source.relation} s JOIN {rows.relation} r ON {paired('s', 'r')} "
        f"WHERE r.{written(policies[table.id])} AND {value} IS NOT NULL AND {condition}"
    ).fetchall()[0]
    if count:
        yield subject_of(table, table.column(name)), model, count, tuple(sorted(examples))


def _content_types(
    cursor: duckdb.DuckDBPyConnection, types: Identified | None, models: Mapping[tuple[str, str], ProbeModel]
) -> dict[str, ProbeModel]:
    """The id of the content type, as text, of each model with its rows in another database."""
    if types is None or not types.rows or not models:
        return {}
    listed = cursor.execute(f"SELECT CAST(id AS VARCHAR), app_label, model FROM {types.relation}").fetchall()
    return {str(number): models[app, name] for number, app, name in listed if (app, name) in models}


def _conflict(subject: str, model: ProbeModel, count: int, examples: tuple[str, ...]) -> Conflict:
    return make_conflict(
        "reference-to-another-database",
        subject,
        f"The column holds ids of {model.label}, whose rows are in DATABASES[{model.database!r}]. A merge does not read that database, "
        "so these ids may belong to other rows there.",
        count=count,
        examples=examples,
        fix="Compare these rows in the other databases of both systems. If the ids mean the same rows there: "
        f"--not-a-reference {subject}; they are then merged as they are.",
    )
