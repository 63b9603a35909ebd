"""Check natural keys on the real rows: which one each table gets and why, and the problems of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from edms_tasks.doctor.assessment import LATER, Assessment, KeyVerdict, SettingsFix, assessed, settings_fix_line
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, NaturalKey, Table
from edms_tasks.inventory.natural_keys import is_completed, reference_of
from edms_tasks.inventory.probe_report import ProbeModel
from edms_tasks.keys.checked_keys import CheckedKeys

KEY_CODES = {
    "no-natural-key",
    "natural-key-cycle",
    "natural-key-duplicates",
    "natural-key-is-the-primary-key",
    "natural-key-unusable",
}
"""Findings of the inventory and of the check of keys that `assess_keys` assesses."""


def key_verdicts(keys: CheckedKeys, models: Mapping[str, ProbeModel]) -> tuple[KeyVerdict, ...]:
    """A verdict for each table that was read; `models` are the probe's, by label."""
    return tuple(
        KeyVerdict(
            model=table.label,
            table=table.id,
            rows=keys.raws[table.id].rows,
            key=(key := keys.keys[table.id].natural_key),
            readable=readable_key(key),
            why=_why(table, key, models.get(table.label)),
            nulls=keys.keys[table.id].nulls,
            constraint=constraint_behind(table, key.paths, keys.tables) if key else "",
        )
        for table in sorted(keys.tables.values(), key=lambda table: table.label)
    )


def assess_keys(
    keys: CheckedKeys,
    found: Sequence[Finding],
    declared: Collection[str],
    suggestions: Mapping[str, tuple[str, ...]],
) -> list[Assessment]:
    """Problems with natural keys.

    Args:
        keys: the natural keys, checked on the rows.
        found: findings of the inventory and of the check of keys; those that are not about keys are skipped.
        declared: models and tables for which the settings declare a key.
        suggestions: table id -> field paths that identify its rows, for tables without a natural key.
    """
    by_label = {table.label: table for table in keys.tables.values()}
    named = {name.lower() for name in declared}
    assessments = []
    about_keys = [finding for finding in found if finding.code in KEY_CODES]
    explained = {finding.subject for finding in about_keys if finding.code != "no-natural-key"}
    for finding in about_keys:
        table = by_label.get(finding.subject)
        # A finding that says why there is no key makes "no-natural-key" redundant.
        if table is not None and (finding.code != "no-natural-key" or finding.subject not in explained):
            assessments.append(_reassessed(finding, table, keys, named, suggestions.get(table.id)))
    for table in keys.tables.values():
        assessments += _health(table, keys)
    return assessments


def readable_key(key: NaturalKey | None) -> str:
    """`title, author.name`; empty for none."""
    return "" if key is None else key.readable or ", ".join(".".join(path) for path in key.paths)


def constraint_behind(table: Table, paths: Sequence[tuple[str, ...]], tables: Mapping[str, Table]) -> str:
    """The constraint that keeps a key unique in the database, in words; "" if there is none.

    Parts of the key in a referenced table count if a constraint keeps them unique there, because then they identify the row.
    """
    parts: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        parts.setdefault(path[0], []).append(path[1:])
    fixed = set()
    for column, rests in parts.items():
        reference = reference_of(table, column)
        target = tables.get(reference.target) if reference is not None else None
        if () in rests or (target is not None and constraint_behind(target, rests, tables)):
            fixed.add(column)
    for unique in table.unique_keys:
        if unique.columns and not unique.partial and fixed.issuperset(unique.columns):
            return unique.name
    return "the primary key" if table.primary_key and fixed.issuperset(table.primary_key) else ""


def _why(table: Table, key: NaturalKey | None, model: ProbeModel | None) -> str:
    if key is None:
        return "no key: rows are identified by all their values"
    if key.source == "settings":
        return "the settings"
    if key.source == "natural_key":
        compared = model.natural_key.compared_rows if model is not None and model.natural_key is not None else 0
        if not compared:
            return "natural_key(), by its lookup's parameters: no rows to compare"
        return f"natural_key(), the same on {compared} {'row' if compared == 1 else 'rows'} compared"
    if key.source == "uuid":
        return "unique UUID, because there is no key that people know"
    if key.source == "unique":
        columns = tuple(path[0] for path in key.paths)
        if columns != table.primary_key:
            return "unique in the database"
        if len(columns) == 1 and reference_of(table, columns[0]) is not None:
            return "primary key, which is the row it extends"
        return "primary key, which is not a counter"
    return "primary key, because there is no other key"


def _reassessed(
    finding: Finding,
    table: Table,
    keys: CheckedKeys,
    declared: Collection[str],
    suggestion: tuple[str, ...] | None,
) -> Assessment:
    """A finding about a key, with a fix that depends on the key that the table got instead."""
    key = keys.keys[table.id].natural_key
    severity, message = finding.severity, finding.message
    if finding.code == "natural-key-duplicates":
        tried = next(
            one for one in keys.tried[table.id] if one.duplicates == finding.count and _is_named(one.key, message)
        )
        if tried.nulls:
            message += f" {tried.nulls:,} rows have a NULL in it. NULLs count as equal."
        if partial := _partial_constraint(table, tried.key):
            message += f" Its constraint {partial} covers some rows only."
        if tried.key.source in ("unique", "uuid"):
            return assessed(
                finding,
                severity="error",
                message=f"{message} The database has a constraint against that, so its index is damaged.",
                fix="Rebuild the index (REINDEX), and fix the rows that it then reports.",
            )
    # A key that the settings declare must hold; otherwise it is an error.
    if {table.label.lower(), table.id.lower()} & set(declared) and (key is None or key.source != "settings"):
        severity = "error" if finding.code in ("natural-key-duplicates", "natural-key-cycle") else severity
    if key is not None and key.source != "surrogate":
        fix = (
            f"Backups use another key ({readable_key(key)}, {key.source}). "
            "Fix the model's natural_key() if `dumpdata` or `loaddata` are used as well."
        )
        return assessed(finding, severity=severity, message=message, fix=fix)
    if suggestion is not None:
        settings_fix = SettingsFix(section="natural_keys", key=table.label, value=suggestion)
        rows = keys.raws[table.id].rows
        fix = f"These columns identify its {rows:,} rows today. If they are meant to, declare them: {settings_fix_line(settings_fix)}"
        return assessed(finding, settings_fix, severity=severity, message=message, fix=fix)
    if table.name.startswith("django_"):
        return assessed(finding, severity=severity, message=message, fix="Nothing: it is one of Django's own tables.")
    fix = (
        "No small set of its columns identifies its rows. A full restore needs none. To merge its rows into another system, "
        + (
            "give the model a unique field in the EDMS, such as UUIDField(default=uuid4, unique=True)."
            if table.model
            else "give it a unique column."
        )
    )
    if finding.code == "natural-key-duplicates":
        fix = "Fix the rows in the EDMS if they are duplicates by mistake; or declare another key under [natural_keys]."
    if not keys.raws[table.id].rows:
        fix = LATER
    return assessed(finding, severity=severity, message=message, fix=fix)


def _is_named(key: NaturalKey, message: str) -> bool:
    return f"({readable_key(key)}) from {key.source} " in message


def _health(table: Table, keys: CheckedKeys) -> list[Assessment]:
    """Weaknesses of the chosen key."""
    checked = keys.keys[table.id]
    key = checked.natural_key
    if key is None or key.source == "surrogate":
        return []
    assessments = []
    if checked.nulls and not _counts_nulls(table, key):
        assessments.append(
            assessed(
                make_finding(
                    "natural-key-nulls",
                    table.label,
                    f"Rows have a NULL in their key ({readable_key(key)}). No two are equal today, but no constraint of the database "
                    "keeps it so.",
                    count=checked.nulls,
                )
            )
        )
    if key.source in ("natural_key", "settings") and not constraint_behind(table, key.paths, keys.tables):
        assessments.append(
            assessed(
                make_finding(
                    "natural-key-unconstrained",
                    table.label,
                    f"No constraint keeps the key ({readable_key(key)}) unique. It is unique today and may not be tomorrow.",
                    fix=f"Add to the model's Meta in the EDMS: {_constraint_for(table, key)}",
                )
            )
        )
    if key.source == "natural_key" and (ids := _ids_inside(table, key, keys)):
        assessments.append(
            assessed(
                make_finding(
                    "natural-key-holds-an-id",
                    table.label,
                    f"natural_key() returns the id of the row that {', '.join(ids)} refers to. That id is a different one in another "
                    "system.",
                    count=len(ids),
                    fix=f"Return that row's natural key instead: *self.{ids[0]}.natural_key(). Backups follow the reference.",
                )
            )
        )
    if key.source == "natural_key" and key.paths == tuple((column,) for column in table.primary_key):
        assessments.append(
            assessed(
                make_finding(
                    "natural-key-is-the-primary-key",
                    table.label,
                    "The model's natural_key() returns the primary key. It is not a counter and can serve as a key; but "
                    "`dumpdata --natural-primary` leaves out primary keys and loses it.",
                    severity="info",
                    fix="If `dumpdata` is used as well, remove natural_key() from the model.",
                )
            )
        )
    return assessments


def _counts_nulls(table: Table, key: NaturalKey) -> bool:
    """Whether a constraint on the key treats NULLs as equal, as a natural key does."""
    heads = {path[0] for path in key.paths if len(path) == 1}
    return any(
        heads.issuperset(unique.columns)
        and (is_completed(table, unique) or not (unique.nulls_distinct or unique.partial))
        for unique in table.unique_keys
    )


def _ids_inside(table: Table, key: NaturalKey, keys: CheckedKeys) -> list[str]:
    """The fields of a key that contain an id of another table, where that is a counter."""
    names = {column.name: column.field or column.name for column in table.columns}
    found = []
    for path in key.paths:
        reference = reference_of(table, path[0])
        if len(path) > 1 or reference is None or reference.target not in keys.tables:
            continue
        pointed = keys.tables[reference.target].column(reference.target_columns[0])
        if pointed.name in keys.tables[reference.target].primary_key and pointed.logical_type == "integer":
            found.append(names[path[0]])
    return found


def _partial_constraint(table: Table, key: NaturalKey) -> str:
    columns = {path[0] for path in key.paths}
    return next((unique.name for unique in table.unique_keys if unique.partial and set(unique.columns) == columns), "")


def _constraint_for(table: Table, key: NaturalKey) -> str:
    fields = {column.name: column.field or column.name for column in table.columns}
    names = ", ".join(f'"{name}"' for name in dict.fromkeys(fields[path[0]] for path in key.paths))
    constraint = table.name.rpartition(".")[2].lower()
    return f'UniqueConstraint(fields=[{names}], name="{constraint}_natural_key")'
