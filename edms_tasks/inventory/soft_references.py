"""Turn the settings' `[[soft_references]]` into references of the inventory.

A declaration is checked: its column must exist, one id must identify a row of its target, and the column's type must allow
its form. Whether the ids have rows is counted later, as for all references.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.id_patterns import name_expression, text_expression
from edms_tasks.inventory.json_paths import parse_json_path
from edms_tasks.inventory.model import (
    CONTENT_TYPES,
    Column,
    FileNameReference,
    ForeignReference,
    GenericReference,
    IdKind,
    Reference,
    SoftForm,
    SoftReference,
    Table,
)
from edms_tasks.settings import SoftReferenceSettings

# The logical types of columns that each form allows; "other" are types without a Django field, such as arrays.
_HOLDS: dict[SoftForm, frozenset[str]] = {
    "value": frozenset({"integer", "decimal", "text", "uuid", "other"}),
    "list": frozenset({"text", "other"}),
    "json": frozenset({"json", "text"}),
    "pattern": frozenset({"text"}),
}
_WHERE = "[[soft_references]]"


def with_declared(tables: Mapping[str, Table], declared: Sequence[SoftReferenceSettings]) -> dict[str, Table]:
    """Table id -> table with the references that the settings declare for its columns.

    Raises:
        SettingsError: a declaration names something that does not exist, or contradicts its column or another declaration.
    """
    described = dict(tables)
    for declaration in declared:
        if declaration.column is not None:
            table, reference = _soft(declaration, described)
            described[table.id] = table.model_copy(update={"references": (*table.references, reference)})
        elif declaration.content_type is not None:
            table, references = _generic(declaration, described)
            described[table.id] = table.model_copy(update={"references": references})
    return described


def declared_file_names(
    tables: Mapping[str, Table], declared: Sequence[SoftReferenceSettings], roots: Collection[str]
) -> tuple[FileNameReference, ...]:
    """The references that the settings declare for file names; `roots` are the names of the folders.

    Raises:
        SettingsError: a declaration names something that does not exist, or its pattern has no id.
    """
    found: list[FileNameReference] = []
    for declaration in declared:
        if declaration.files is None:
            continue
        pattern = str(declaration.name)
        where = f"{_WHERE} name = {pattern!r}"
        if declaration.files not in roots:
            raise _unknown(where, "folder of files", declaration.files, roots)
        target, column = _target(declaration, tables, where)
        kind = _id_kind(target, column)
        try:
            name_expression(pattern, kind)
        except ValueError as error:
            raise _invalid(where, f"The pattern {pattern!r} is not valid.", str(error)) from error
        reference = FileNameReference(
            root=declaration.files, pattern=pattern, target=target.id, target_column=column, id_kind=kind
        )
        if any((one.root, one.pattern) == (reference.root, reference.pattern) for one in found):
            raise _invalid(where, "It is declared twice.", "One name can hold an id of one model only.")
        found.append(reference)
    return tuple(found)


def _soft(declaration: SoftReferenceSettings, tables: Mapping[str, Table]) -> tuple[Table, SoftReference]:
    where = f"{_WHERE} column = {declaration.column!r}"
    table, column = _column(str(declaration.column), tables, where)
    form, expression = _form(declaration)
    _require_form(column, form, where)
    target, target_column = _target(declaration, tables, where)
    kind = _id_kind(target, target_column)
    _require_expression(form, expression, kind, where)
    reference = SoftReference(
        name=f"{column.name} {expression}" if form in ("json", "pattern") else column.name,
        column=column.name,
        target=target.id,
        target_column=target_column,
        id_kind=kind,
        form=form,
        expression=expression,
    )
    for other in table.references:
        _require_together(reference, other, where)
    return table, reference


def _form(declaration: SoftReferenceSettings) -> tuple[SoftForm, str]:
    if declaration.separator is not None:
        return "list", declaration.separator
    if declaration.json_ is not None:
        return "json", declaration.json_
    if declaration.pattern is not None:
        return "pattern", declaration.pattern
    return "value", ""


def _require_form(column: Column, form: SoftForm, where: str) -> None:
    kind = column.logical_type
    is_array = column.native_type.endswith("[]")
    untyped = not column.native_type  # SQLite: it allows any value
    if untyped or (kind in _HOLDS[form] and not (form == "value" and is_array)):
        return
    fix = "Name another column, or remove the declaration."
    if kind == "json":
        fix = 'Say where the ids are in the JSON: json = "$.document_ids[*]".'
    elif is_array:
        fix = 'An array is a list of ids: separator = ",".'
    elif kind in _HOLDS["value"] and not is_array:
        fix = "Omit separator, json and pattern: the value is the id."
    raise SettingsError(
        f"{column.name!r} cannot hold ids {_IN_WORDS[form]}.",
        where=where,
        why=f"The column is {column.native_type} ({kind}).",
        fix=fix,
    )


_IN_WORDS: dict[SoftForm, str] = {
    "value": "as plain values",
    "list": "as a list in a string",
    "json": "in JSON",
    "pattern": "in a string by a pattern",
}


def _require_expression(form: SoftForm, expression: str, kind: IdKind, where: str) -> None:
    try:
        if form == "json":
            parse_json_path(expression)
        elif form == "pattern":
            text_expression(expression, kind)
    except ValueError as error:
        raise _invalid(where, f"{expression!r} does not say where the ids are.", str(error)) from error


def _require_together(reference: SoftReference, other: Reference, where: str) -> None:
    """Check that two references may share a column: only several JSON paths or several patterns can. Raises SettingsError."""
    if isinstance(other, SoftReference):
        if other.column != reference.column:
            return
        if other.form != reference.form or reference.form in ("value", "list"):
            raise _invalid(where, "The column is declared twice.", "A value can be read in one way only.")
        if other.expression == reference.expression:
            raise _invalid(where, f"{reference.expression!r} is declared twice.", "An id leads to one model only.")
    elif isinstance(other, ForeignReference) and reference.column in other.columns:
        raise _invalid(where, f"{reference.column!r} is already a reference.", "It is a foreign key, and is followed.")
    elif isinstance(other, GenericReference) and reference.column in (
        other.content_type_column,
        other.object_id_column,
    ):
        raise _invalid(
            where, f"{reference.column!r} is already a reference.", f"It is part of the generic one {other.name!r}."
        )


def _generic(declaration: SoftReferenceSettings, tables: Mapping[str, Table]) -> tuple[Table, tuple[Reference, ...]]:
    where = f"{_WHERE} content_type = {declaration.content_type!r}"
    table, kind = _column(str(declaration.content_type), tables, where)
    other, number = _column(str(declaration.object_id), tables, f"{_WHERE} object_id = {declaration.object_id!r}")
    if other.id != table.id:
        raise _invalid(
            where, "The two columns belong to different tables.", f"They are in {table.label} and {other.label}."
        )
    if CONTENT_TYPES not in tables:
        raise _invalid(where, "There are no content types.", f"The database has no table {CONTENT_TYPES}.")
    if kind.logical_type != "integer" or kind.name == number.name:
        raise SettingsError(
            f"{kind.name!r} cannot hold content types.",
            where=where,
            why=f"The column is {kind.native_type} ({kind.logical_type}).",
            fix="Name the column with the ids of django_content_type.",
        )
    if any(isinstance(one, SoftReference) and one.column in (kind.name, number.name) for one in table.references):
        raise _invalid(where, "One of the columns is declared twice.", "A value can be read in one way only.")
    for one in table.references:
        if isinstance(one, GenericReference) and one.object_id_column == number.name:
            if one.content_type_column != kind.name:
                raise _invalid(where, f"{number.name!r} is already a reference.", f"It is part of {one.name!r}.")
            # The probe found this pair by its names; the declaration confirms it.
            known = one.model_copy(update={"declared": True})
            return table, tuple(known if reference is one else reference for reference in table.references)
    reference = GenericReference(
        name=f"{kind.field or kind.name} + {number.field or number.name}",
        content_type_column=kind.name,
        object_id_column=number.name,
    )
    return table, (*table.references, reference)


def _target(declaration: SoftReferenceSettings, tables: Mapping[str, Table], where: str) -> tuple[Table, str]:
    """The table that the ids belong to, and the column that they are values of: the primary key, unless another is named."""
    name = str(declaration.target)
    table = _table_named(name, tables)
    if table is None:
        if _table_named(name.rpartition(".")[0], tables) is None:
            raise _unknown(f"{where}, target", "model or table", name, [table.label for table in tables.values()])
        table, column = _column(name, tables, f"{where}, target")
        return table, column.name
    if len(table.primary_key) != 1:
        what = f"its primary key is {', '.join(table.primary_key)}" if table.primary_key else "it has no primary key"
        raise SettingsError(
            f"One id does not identify a row of {table.label}.",
            where=f"{where}, target",
            why=f"{what[0].upper()}{what[1:]}.",
            fix=f'Name the column that the ids are values of: target = "{table.label}.{_first_column(table)}".',
        )
    return table, table.primary_key[0]


def _id_kind(target: Table, column: str) -> IdKind:
    kind = target.column(column).logical_type
    return "uuid" if kind == "uuid" else "number" if kind == "integer" else "text"


def _first_column(table: Table) -> str:
    name = table.primary_key[-1] if table.primary_key else table.columns[0].name
    return table.column(name).field or name


def _column(name: str, tables: Mapping[str, Table], where: str) -> tuple[Table, Column]:
    """The table and column of `documents.Document.related_ids`: a model or table, then a field or column. Raises SettingsError."""
    owner, _, field = name.rpartition(".")
    table = _table_named(owner, tables)
    if table is None:
        raise _unknown(where, "model or table", owner or name, [table.label for table in tables.values()])
    known = {column.name: column for column in table.columns}
    known |= {column.field: column for column in table.columns if column.field}
    if field not in known:
        raise _unknown(where, f"field or column of {table.label}", field, known)
    return table, known[field]


def _table_named(name: str, tables: Mapping[str, Table]) -> Table | None:
    by_name = {table_id.lower(): table for table_id, table in tables.items()}
    by_name |= {table.label.lower(): table for table in tables.values()}
    return by_name.get(name.lower())


def _unknown(where: str, kind: str, name: str, known: Collection[str]) -> SettingsError:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    fix = f"Did you mean `{close[0]}`?" if close else "`edms-backup inspect` lists them."
    return SettingsError(f"There is no {kind} {name!r}.", where=where, fix=fix)


def _invalid(where: str, what: str, why: str) -> SettingsError:
    return SettingsError(what, where=where, why=why, fix="Fix the declaration; docs/settings.md shows each form.")
