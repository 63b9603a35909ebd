"""Merge the database's catalogue with the EDMS's models; differences are findings.

The catalogue says what exists, so everything in it is backed up. The models say what it means: labels, logical types,
references without a constraint, generic references, files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.errors import SettingsError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.file_stores import is_store, store_findings, store_roots, with_fields_of_stores
from edms_tasks.inventory.model import (
    Column,
    Edms,
    FileRoot,
    Finding,
    ForeignReference,
    GenericReference,
    Inventory,
    LogicalType,
    Reference,
    Table,
)
from edms_tasks.inventory.natural_keys import derive_candidates, key_of_fixtures
from edms_tasks.inventory.other_databases import other_databases, tables_of_others
from edms_tasks.inventory.probe_report import ProbeField, ProbeModel, ProbeReport
from edms_tasks.redaction import Redaction
from edms_tasks.settings import Settings
from edms_tasks.soft.soft_references import declared_file_names, with_declared
from edms_tasks.unknown_names import closest_name

_LOGICAL: dict[str, LogicalType] = {
    "BooleanField": "boolean",
    "NullBooleanField": "boolean",
    "DateField": "date",
    "DateTimeField": "datetime",
    "TimeField": "time",
    "DurationField": "duration",
    "DecimalField": "decimal",
    "FloatField": "float",
    "JSONField": "json",
    "UUIDField": "uuid",
    "BinaryField": "binary",
}

# Tables of Django itself that no model of an installed app owns.
_DJANGOS_OWN = {"django_migrations"}


def build_inventory(report: ProbeReport, catalogue: Sequence[Table], settings: Settings, engine: str) -> Inventory:
    """The inventory of the EDMS, which all later stages use.

    Raises:
        SettingsError: `[natural_keys]`, `[files]` or `[[soft_references]]` names something that does not exist.
    """
    report = with_fields_of_stores(report, settings)
    findings = list(report.findings)
    findings += other_databases(report, settings)
    models, of_others = _match(report.models, catalogue, findings)
    # Ids of rows in another database lead to nothing here.
    targets = [table for table in catalogue if table.id not in of_others]
    described = {table.id: _described(table, models.get(table.id), targets, findings) for table in catalogue}
    described = with_declared(described, settings.soft_references)
    candidates, key_findings = derive_candidates(described, models, settings.natural_keys)
    tables = [
        table.model_copy(
            update={
                "key_candidates": candidates[table.id],
                "fixture_key": key_of_fixtures(table, models.get(table.id), described),
            }
        )
        for table in described.values()
    ]
    findings += key_findings
    findings += [_without_key(table) for table in tables if _only_surrogate(table)]
    findings += _unapplied(report)
    findings += store_findings(report, settings)
    findings += _unknown_sensitive(described, settings)
    file_roots = _file_roots(report, settings)
    names = declared_file_names(described, settings.soft_references, [root.name for root in file_roots])
    return Inventory(
        edms=Edms(
            python=report.python,
            django=report.django,
            settings_module=report.settings_module,
            secret_key_fingerprint=report.secret_key_fingerprint,
            time_zone=_time_zone(report),
            migrations_applied=report.migrations_applied,
            migrations_leaves=report.migrations_leaves,
        ),
        engine=engine,
        tables=tuple(tables),
        file_roots=file_roots,
        file_names=names,
        findings=tuple(findings),
    )


def excluded_tables(inventory: Inventory, settings: Settings) -> frozenset[str]:
    """The ids of tables that the settings exclude; raises SettingsError for a name that is neither a model nor a table."""
    by_name = {table.label.lower(): table.id for table in inventory.tables}
    by_name |= {table.id.lower(): table.id for table in inventory.tables}
    excluded = set()
    for name in settings.exclude.tables:
        if name.lower() not in by_name:
            known = [table.label for table in inventory.tables]
            raise SettingsError(
                f"There is no model or table {name!r} to leave out.",
                where="[exclude] tables",
                fix=closest_name(name, known),
            )
        excluded.add(by_name[name.lower()])
    return frozenset(excluded)


def _match(
    models: Sequence[ProbeModel], catalogue: Sequence[Table], findings: list[Finding]
) -> tuple[dict[str, ProbeModel], dict[str, ProbeModel]]:
    """Table id -> model, of models with their rows here, and of those with their rows in another database.

    Adds findings for models without a table, tables without a model, and tables of models of another database.
    """
    matched: dict[str, ProbeModel] = {}
    of_others: dict[str, ProbeModel] = {}
    views: list[ProbeModel] = []
    for model in models:
        found = table_of(model.table, catalogue)
        if found is not None:
            (of_others if model.elsewhere else matched).setdefault(found.id, model)
        elif not model.elsewhere:
            views.append(model)
    for model in views:
        findings.append(
            make_finding(
                "model-without-table",
                model.label,
                f"The model names a table {model.table!r} that the database does not have"
                + (" (an unmanaged model: perhaps a view)." if not model.managed else "."),
                severity="warning" if model.managed else "info",
                fix=None if model.managed else "",
            )
        )
    of_others = {table_id: model for table_id, model in of_others.items() if table_id not in matched}
    findings += tables_of_others(of_others)
    for table in catalogue:
        owned = table.id in matched or table.id in of_others
        if not owned and table.name not in _DJANGOS_OWN and table.extension is None:
            findings.append(make_finding("table-without-model", table.id))
    return matched, of_others


def _described(table: Table, model: ProbeModel | None, catalogue: Sequence[Table], findings: list[Finding]) -> Table:
    if model is None:
        return table
    fields = {field.column: field for field in model.fields}
    _report_drift(table, model, fields, findings)
    columns = tuple(_column(column, fields.get(column.name)) for column in table.columns)
    present = {column.name for column in columns}
    return table.model_copy(
        update={
            "model": model.label,
            "content_type": (model.app_label, model.model_name),
            "proxy_content_types": model.proxies,
            "columns": columns,
            "references": (
                *_references(table, model, fields, catalogue),
                *(
                    GenericReference(
                        name=generic.name,
                        content_type_column=generic.content_type_column,
                        object_id_column=generic.object_id_column,
                        declared=generic.declared,
                    )
                    for generic in model.generics
                    if {generic.content_type_column, generic.object_id_column} <= present
                ),
            ),
            "child_lists": tuple(
                (field.column, field.child_list)
                for field in model.fields
                if field.child_list and field.column in present
            ),
            "id_lists": tuple(
                (name, target.id)
                for name, db_table in model.parental_lists
                if (target := table_of(db_table, catalogue)) is not None
            ),
            "generic_relations": tuple(
                found.id for db_table in model.generic_relations if (found := table_of(db_table, catalogue)) is not None
            ),
            "file_columns": tuple(
                (field.column, field.file_root) for field in model.fields if field.file_root and field.column in present
            ),
        }
    )


def _column(column: Column, field: ProbeField | None) -> Column:
    if field is None:
        return column
    kind = _LOGICAL.get(field.internal_type, column.logical_type)
    return column.model_copy(update={"field": field.name, "logical_type": kind})


def _references(
    table: Table, model: ProbeModel, fields: Mapping[str, ProbeField], catalogue: Sequence[Table]
) -> list[Reference]:
    """The database's foreign keys with the model's kind, and the model's references without a constraint."""
    references: list[Reference] = []
    covered: set[tuple[str, ...]] = set()
    for reference in table.references:
        if not isinstance(reference, ForeignReference):
            continue
        field = fields.get(reference.columns[0]) if len(reference.columns) == 1 else None
        covered.add(reference.columns)
        references.append(reference.model_copy(update={"kind": _kind(model, field)}))
    present = {column.name for column in table.columns}
    for field in model.fields:
        if field.reference_table is None or (field.column,) in covered or field.column not in present:
            continue
        target = table_of(field.reference_table, catalogue)
        if target is None or not any(column.name == field.reference_column for column in target.columns):
            continue  # the target's finding `model-without-table` or `column-missing` reports it
        references.append(
            ForeignReference(
                kind=_kind(model, field),
                name=field.column,
                columns=(field.column,),
                target=target.id,
                target_columns=(str(field.reference_column),),
                enforced=False,
            )
        )
    return references


def table_of(db_table: str, catalogue: Sequence[Table]) -> Table | None:
    """The table of a model's `db_table`, which may contain quotes (`audit"."log`); None if it does not exist."""
    for name in (db_table, db_table.strip('"')):
        for table in catalogue:
            if name in (table.id, f'{table.schema_name}"."{table.name}'):
                return table
    return None


def _kind(model: ProbeModel, field: ProbeField | None) -> str:
    if model.auto_created:
        return "many_to_many"
    return field.reference_kind or "foreign" if field is not None else "foreign"


def _report_drift(table: Table, model: ProbeModel, fields: Mapping[str, ProbeField], findings: list[Finding]) -> None:
    present = {column.name for column in table.columns}
    for name in sorted(set(fields) - present):
        findings.append(
            make_finding(
                "column-missing",
                f"{model.label}.{fields[name].name}",
                f"The model has a column {name!r} that its table lacks. Everything that exists is in the snapshot.",
            )
        )
    for name in sorted(present - set(fields)):
        findings.append(
            make_finding(
                "column-without-field",
                f"{table.id}.{name}",
                f"The table has a column that the model {model.label} does not know. It is in the snapshot.",
            )
        )


def _file_roots(report: ProbeReport, settings: Settings) -> tuple[FileRoot, ...]:
    """The probe's folders with those of the settings, which win. Raises SettingsError if one is inside another."""
    roots = {root.name: FileRoot(name=root.name, path=root.path, used_by=root.used_by) for root in report.file_roots}
    for name, path in settings.files.roots.items():
        known = roots.get(name)
        roots[name] = FileRoot(name=name, path=str(path), used_by=known.used_by if known else ())
    roots |= {root.name: root for root in store_roots(report, settings)}
    ordered = sorted(roots.values(), key=lambda root: root.name)
    for inner in ordered:
        for outer in ordered:
            if inner is not outer and is_store(inner.path) == is_store(outer.path) and _inside(inner.path, outer.path):
                raise SettingsError(
                    f"The folder of {inner.name!r} is inside that of {outer.name!r}, so its files would be stored twice.",
                    where=inner.path,
                    fix="Remove it from [files] roots.",
                )
    return tuple(ordered)


def _inside(inner: str, outer: str) -> bool:
    if is_store(inner):
        return f"{inner}/".startswith(f"{outer}/")
    return Path(inner).resolve().is_relative_to(Path(outer).resolve())


def _time_zone(report: ProbeReport) -> str | None:
    if report.use_tz is None or not report.databases:
        return None
    return report.databases[0].time_zone if report.use_tz else ""


def _unknown_sensitive(tables: Mapping[str, Table], settings: Settings) -> list[Finding]:
    """A finding, and no error, for each name that hides nothing: a backup harms nobody, and a profile may name models of other versions."""
    redaction = Redaction(settings.validate_.sensitive, tables, {})
    return [make_finding("sensitive-column-unknown", name, fix=closest) for name, closest in redaction.unknown()]


def _only_surrogate(table: Table) -> bool:
    return not table.key_candidates or table.key_candidates[0].source == "surrogate"


def _without_key(table: Table) -> Finding:
    what = "a surrogate key only" if table.key_candidates else "no key at all"
    return make_finding(
        "no-natural-key",
        table.label,
        f"The table has {what}. Its rows are restored exactly; a merge can identify them only by all their values.",
        fix=f'If the rows have a business key, declare it: [natural_keys] "{table.label}" = ["…"].',
    )


def _unapplied(report: ProbeReport) -> list[Finding]:
    if not report.migrations_unapplied:
        return []
    names = tuple(f"{app}.{name}" for app, name in report.migrations_unapplied)
    return [
        make_finding(
            "unapplied-migrations",
            "django_migrations",
            "The EDMS's code has migrations that the database does not. The database is backed up as it is.",
            severity="warning",
            count=len(names),
            examples=names[:5],
        )
    ]
