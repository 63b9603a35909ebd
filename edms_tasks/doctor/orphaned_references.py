"""Check references on the real rows: orphaned ones, and pairs of columns that look like a generic reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.table_state import dangles, dangling_examples, ids_held, is_filled
from edms_tasks.doctor.assessment import LATER, Assessment, Declaration, assessed, declaration_text
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import CONTENT_TYPES, ForeignReference, GenericReference, Reference, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.joined_rows import joined
from edms_tasks.scratch.workspace import relation


@dataclass(frozen=True)
class Followed:
    """The counts of a reference, from the rows of its table."""

    reference: Reference
    filled: int  # number of rows with an id
    dangling: int  # number of rows with an id that no row has
    ids: int  # number of ids
    lost: int  # number of ids that no row has


def assess_references(table: Table, keys: CheckedKeys) -> list[Assessment]:
    """The problems with the references of a table that was read."""
    followed = follow_references(table, keys)
    assessments = []
    with keys.workspace.cursor() as cursor:
        generic = any(one.reference.kind == "generic" for one in followed)
        kinds = _content_types(cursor, keys) if generic else {}
        source = f"({joined(table, keys.raws[table.id], keys)})"
        for one in followed:
            examples = dangling_examples(cursor, one.reference, source) if one.dangling else ()
            if isinstance(one.reference, GenericReference):
                examples = tuple(_named(example, kinds) for example in examples)
            assessments += _assess(table, one.reference, one.filled, one.dangling, examples)
    return assessments


def follow_references(table: Table, keys: CheckedKeys) -> list[Followed]:
    """The counts of each reference of a table, if both the table and the reference's target were read."""
    raw = keys.raws[table.id]
    references = [reference for reference in table.references if _can_be_followed(reference, keys)]
    if not raw.rows or not references:
        return []
    with keys.workspace.cursor() as cursor:
        counts = []
        for reference in references:
            counts += [f"count(*) FILTER ({is_filled(reference)})", f"count(*) FILTER ({dangles(reference)})"]
            counts += [f"coalesce(sum({number}), 0)" for number in ids_held(reference)]
        row = cursor.execute(f"SELECT {', '.join(counts)} FROM ({joined(table, raw, keys)})").fetchone()
    assert row is not None  # an aggregate always returns one row
    return [
        Followed(reference, *map(int, row[4 * place : 4 * place + 4])) for place, reference in enumerate(references)
    ]


def _content_types(cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys) -> dict[str, str]:
    """Content type id -> the name of its model."""
    if CONTENT_TYPES not in keys.tables:
        return {}
    rows = relation(keys.tables[CONTENT_TYPES], keys.raws[CONTENT_TYPES])
    found = cursor.execute(f"SELECT CAST(id AS VARCHAR), app_label || '.' || model FROM {rows}").fetchall()
    return dict(found)


def _named(example: str, kinds: Mapping[str, str]) -> str:
    """An example of a generic reference with the model's name: `documents.document 12` for `9:12`."""
    number, _, object_id = example.partition(":")
    return f"{kinds.get(number, f'content type {number}')} {object_id}"


def _can_be_followed(reference: Reference, keys: CheckedKeys) -> bool:
    """Whether the rows that a reference may name were read; those of excluded tables were not."""
    return isinstance(reference, GenericReference) or any(target in keys.keys for target in reference.targets)


def _assess(
    table: Table, reference: Reference, filled: int, dangling: int, examples: tuple[str, ...]
) -> list[Assessment]:
    subject = f"{table.label}.{reference.name}"
    if isinstance(reference, GenericReference) and not reference.declared:
        return [_look_alike(table, reference, subject, filled, dangling, examples)]
    if not dangling:
        return []
    enforced = isinstance(reference, ForeignReference) and reference.enforced
    return [
        assessed(
            make_finding(
                "dangling-reference",
                subject,
                f"Of {filled:,} rows with a value, {dangling:,} refer to rows that do not exist"
                + (", although the database has a foreign key against that." if enforced else ".")
                + " They would be restored as they are.",
                severity="error" if enforced else "warning",
                count=dangling,
                examples=examples,
                fix=(
                    "Fix the rows. Until then a restore can create the constraint only as not valid."
                    if enforced
                    else "Fix the rows in the EDMS; or leave them if they record what was deleted."
                ),
            )
        )
    ]


def _look_alike(
    table: Table, reference: GenericReference, subject: str, filled: int, dangling: int, examples: tuple[str, ...]
) -> Assessment:
    if not filled:
        return assessed(
            make_finding(
                "generic-look-alike",
                subject,
                "A content type and an id together seem to refer to a row; no row has values yet.",
                count=0,
                fix=LATER,
            )
        )
    found = f"{filled - dangling:,} of {filled:,} rows ({(filled - dangling) / filled:.0%}) lead to one"
    # Tables of Django itself, such as the admin's log, cannot be declared.
    of_django = table.name.startswith("django_")
    settings_fix = None if of_django else _declaration(table, reference)
    return assessed(
        make_finding(
            "generic-look-alike",
            subject,
            f"A content type and an id together refer to a row, but no GenericForeignKey says so: {found}. "
            "Backups follow them as a reference.",
            count=filled,
            examples=examples,
            fix=(
                "Nothing: it is one of Django's own tables."
                if of_django
                else f'Declare it in the EDMS: GenericForeignKey("{reference.content_type_column.removesuffix("_id")}", '
                f'"{reference.object_id_column}"). Or declare it in edms-backup.toml:\n{_text_of(settings_fix)}'
            ),
        ),
        settings_fix,
    )


def _declaration(table: Table, reference: GenericReference) -> Declaration:
    columns = {"content_type": reference.content_type_column, "object_id": reference.object_id_column}
    return Declaration(
        section="soft_references",
        entries=tuple((key, f"{table.label}.{column}") for key, column in columns.items()),
    )


def _text_of(settings_fix: Declaration | None) -> str:
    return declaration_text(settings_fix).rstrip() if settings_fix is not None else ""
