"""Soft references by declaration: the settings' `[[soft_references]]` become references of the inventory.

What is declared must exist and make sense: a column that is there, a target whose rows one id can name, a form that the
column's type can hold. Whether the ids lead anywhere is counted on the rows, like that of every other reference.
Conditions are in `soft_conditions.py`, copies of rows in `serialized_rows.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import (
    CONTENT_TYPES,
    Column,
    Condition,
    FileNameReference,
    GenericReference,
    IdKind,
    IdPlace,
    Reference,
    SoftForm,
    SoftReference,
    Table,
)
from edms_tasks.soft.declared_names import WHERE, column_named, invalid, table_named
from edms_tasks.soft.id_patterns import name_expression, text_pattern
from edms_tasks.soft.json_filters import model_label, models_in
from edms_tasks.soft.json_paths import parse_json_path
from edms_tasks.soft.overlapping_declarations import require_together
from edms_tasks.soft.serialized_rows import (
    CopiedId,
    content_type_path,
    copied_ids,
    id_kind,
    object_paths,
)
from edms_tasks.soft.soft_conditions import conditions, described, refers_to_content_types
from edms_tasks.soft.tag_patterns import tag_pattern
from edms_tasks.soft_reference_settings import SoftReferenceSettings
from edms_tasks.unknown_names import unknown_name

# What a column must be to hold ids in each form; "other" are types no model describes, arrays and the like.
_HOLDS: dict[SoftForm, frozenset[str]] = {
    "value": frozenset({"integer", "decimal", "float", "text", "uuid", "other"}),
    "list": frozenset({"text", "other"}),
    "json": frozenset({"json", "text"}),
    "pattern": frozenset({"text"}),
    "tag": frozenset({"text"}),
    "copy": frozenset({"json", "text"}),
}


def with_declared(tables: Mapping[str, Table], declared: Sequence[SoftReferenceSettings]) -> dict[str, Table]:
    """The tables, by id, with the references that the settings declare in columns.

    Raises:
        SettingsError: a declaration names what does not exist, or contradicts its column or another declaration.
    """
    found = dict(tables)
    for declaration in declared:
        if declaration.column is not None and declaration.content_type is not None:
            table, pairs = _pairs_in_json(declaration, found)
            found[table.id] = table.model_copy(update={"references": (*table.references, *pairs)})
        elif declaration.column is not None and declaration.copy_of is None:
            for part in range(len(declaration.targets)):
                table, reference = _soft(declaration, found, part)
                found[table.id] = table.model_copy(update={"references": (*table.references, reference)})
        elif declaration.content_type is not None:
            table, references = _generic(declaration, found)
            found[table.id] = table.model_copy(update={"references": references})
    # Copies of a row have the places that are declared in its own columns.
    complete = dict(found)
    for declaration in declared:
        if declaration.copy_of is not None:
            table, copies = _copies(declaration, complete, found)
            found[table.id] = table.model_copy(update={"references": (*table.references, *copies)})
    return found


def declared_file_names(
    tables: Mapping[str, Table], declared: Sequence[SoftReferenceSettings], roots: Collection[str]
) -> tuple[FileNameReference, ...]:
    """The references that the settings declare in names of files; `roots` are the folders' names.

    Raises:
        SettingsError: a declaration names what does not exist, or its pattern holds no id.
    """
    found: list[FileNameReference] = []
    for declaration in declared:
        if declaration.files is None:
            continue
        pattern = str(declaration.name)
        where = f"{WHERE} name = {pattern!r}"
        if declaration.files not in roots:
            raise unknown_name(where, "folder of files", declaration.files, roots)
        target, column = _target(declaration.targets[0], tables, where)
        kind = id_kind(target, column)
        try:
            name_expression(pattern, kind)
        except ValueError as error:
            raise invalid(where, f"The pattern {pattern!r} is not valid.", str(error)) from error
        reference = FileNameReference(
            root=declaration.files, pattern=pattern, target=target.id, target_column=column, id_kind=kind
        )
        if any((one.root, one.pattern) == (reference.root, reference.pattern) for one in found):
            raise invalid(where, "It is declared twice.", "One name can hold an id of one model only.")
        found.append(reference)
    return tuple(found)


def _soft(declaration: SoftReferenceSettings, tables: Mapping[str, Table], part: int) -> tuple[Table, SoftReference]:
    where = f"{WHERE} column = {declaration.column!r}"
    table, column = column_named(str(declaration.column), tables, where)
    form, expression = _form(declaration)
    path = declaration.json_ or "" if form != "json" else ""
    _require_form(column, "json" if path else form, where)
    pointed = [_target(name, tables, where) for name in declaration.targets]
    kinds = [id_kind(*one) for one in pointed]
    (target, target_column), kind = pointed[part], kinds[part]
    _require_expression(form, expression, kinds, where)
    if declaration.json_ is not None:
        _require_expression("json", declaration.json_, kinds, where)
        _require_models(declaration.json_, tables, where)
    if path and path.endswith("~"):
        raise invalid(
            where, f"{path!r} names keys.", "A key is an id as a whole; it cannot be combined with another form."
        )
    met = conditions(declaration.where, table, column.name, tables, where)
    spelled = [column.name, path, expression if form in ("json", "pattern", "tag") else ""]
    if len(pointed) > 1:
        spelled.append(f"({part + 1})")
    reference = SoftReference(
        name=" ".join(part for part in spelled if part) + described(met),
        column=column.name,
        target=target.id,
        target_column=target_column,
        id_kind=kind,
        form=form,
        expression=expression,
        path=path,
        part=part,
        where=met,
    )
    for other in table.references:
        require_together(reference, other, where)
    return table, reference


def _pairs_in_json(
    declaration: SoftReferenceSettings, tables: Mapping[str, Table]
) -> tuple[Table, list[SoftReference]]:
    """References for the content type, and for the id of each model, in objects in JSON that hold both."""
    where = f"{WHERE} column = {declaration.column!r}"
    table, column = column_named(str(declaration.column), tables, where)
    _require_form(column, "json", where)
    if CONTENT_TYPES not in tables:
        raise invalid(where, "There are no content types.", f"The database has no table {CONTENT_TYPES}.")
    path, kind, number = str(declaration.json_), str(declaration.content_type), str(declaration.object_id)
    targets = [_target(name, tables, where)[0] for name in declaration.targets] or tables.values()
    met = conditions(declaration.where, table, column.name, tables, where)
    places = [(tables[CONTENT_TYPES], content_type_path(path, kind)), *object_paths(path, kind, number, targets)]
    made: list[SoftReference] = []
    for target, inner in places:
        _require_expression("json", inner, ["number"], where)
        pk = target.primary_key[0]
        reference = SoftReference(
            name=f"{column.name} {inner}{described(met)}",
            column=column.name,
            target=target.id,
            target_column=pk,
            id_kind=id_kind(target, pk),
            form="json",
            expression=inner,
            where=met,
        )
        for other in table.references:
            require_together(reference, other, where)
        made.append(reference)
    return table, made


def _copies(
    declaration: SoftReferenceSettings,
    complete: Mapping[str, Table],
    tables: Mapping[str, Table],
) -> tuple[Table, list[SoftReference]]:
    """A reference for each column that copies of rows have ids of."""
    where = f"{WHERE} column = {declaration.column!r}"
    table, column = column_named(str(declaration.column), tables, where)
    _require_form(column, "copy", where)
    met = conditions(declaration.where, table, column.name, tables, where)
    found: dict[tuple[str, str], list[IdPlace]] = {}
    for copied in _copied(declaration, table, complete, met, where):
        places = found.setdefault((copied.target, copied.column), [])
        if copied.place not in places:
            places.append(copied.place)
    made: list[SoftReference] = []
    for (target_id, target_column), places in found.items():
        target = tables[target_id]
        also = "" if target.primary_key == (target_column,) else f".{target_column}"
        reference = SoftReference(
            name=f"{column.name} copy of {declaration.copy_of}: {target.label}{also}{described(met)}",
            column=column.name,
            target=target_id,
            target_column=target_column,
            id_kind=id_kind(target, target_column),
            form="copy",
            expression=str(declaration.copy_of),
            copied=tuple(places),
        )
        for other in table.references:
            require_together(reference, other, where)
        made.append(reference)
    return table, made


def _copied(
    declaration: SoftReferenceSettings,
    table: Table,
    tables: Mapping[str, Table],
    met: tuple[Condition, ...],
    where: str,
) -> list[CopiedId]:
    """The ids in the copies: of one model, or of each model that a column of content types can name."""
    name = str(declaration.copy_of)
    if "." in name:
        copied = table_named(name, tables)
        if copied is None:
            raise unknown_name(f"{where}, copy_of", "model or table", name, [one.label for one in tables.values()])
        return copied_ids(copied, tables, met, where)
    fields = {one.field: one.name for one in table.columns if one.field} | {one.name: one.name for one in table.columns}
    if name not in fields:
        raise unknown_name(f"{where}, copy_of", f"field or column of {table.label}", name, fields)
    kind = fields[name]
    if not refers_to_content_types(table, kind):
        raise SettingsError(
            f"{name!r} does not say what rows are copied.",
            where=f"{where}, copy_of",
            why="The column does not refer to content types.",
            fix='Name the model that is copied, "app.Model", or the column with its content type.',
        )
    # Models say that rows of this table are about theirs; where none does, rows of any model may be copied.
    saying = {one.id for one in tables.values() if table.id in one.generic_relations}
    found: list[CopiedId] = []
    for copied in tables.values():
        labels = tuple(f"{app}.{model}" for app, model in copied.content_types)
        if labels and len(copied.primary_key) == 1 and (copied.id in saying or not saying):
            of_model = Condition(column=kind, values=labels, models=True)
            if any(one.column == kind and not set(labels) & set(one.values) for one in met):
                continue
            also = tuple(one for one in met if one.column != kind)
            found += copied_ids(copied, tables, (of_model, *also), where)
    return found


def _form(declaration: SoftReferenceSettings) -> tuple[SoftForm, str]:
    if declaration.separator is not None:
        return "list", declaration.separator
    if declaration.pattern is not None:
        return "pattern", declaration.pattern
    if declaration.tag is not None:
        return "tag", declaration.tag
    if declaration.json_ is not None:
        return "json", declaration.json_
    return "value", ""


def _require_form(column: Column, form: SoftForm, where: str) -> None:
    kind = column.logical_type
    is_array = column.native_type.endswith("[]")
    untyped = not column.native_type  # SQLite: it holds anything
    if untyped or (kind in _HOLDS[form] and not (form == "value" and is_array)):
        return
    fix = "Name another column, or remove the declaration."
    if kind == "json":
        fix = 'Say where the ids are in the JSON: json = "$.document_ids[*]".'
    elif is_array:
        fix = 'An array is a list of ids: separator = ",".'
    elif kind in _HOLDS["value"] and not is_array:
        fix = "Omit separator, json, pattern and tag: the value is the id."
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
    "tag": "in tags of rich text",
    "copy": "in copies of rows",
}


def _require_expression(form: SoftForm, expression: str, kinds: Sequence[IdKind], where: str) -> None:
    try:
        if form == "json":
            parse_json_path(expression)
        elif form == "pattern":
            text_pattern(expression, kinds)
        elif form == "tag":
            tag_pattern(expression, kinds[0])
    except ValueError as error:
        raise invalid(where, f"{expression!r} does not say where the ids are.", str(error)) from error


def _require_models(path: str, tables: Mapping[str, Table], where: str) -> None:
    """Refuse a path whose filters name a model that no content type is of: it would lead nowhere, without a word."""
    if not path.startswith("$"):
        return
    known = {f"{app}.{model}" for table in tables.values() for app, model in table.content_types}
    for step in parse_json_path(path).steps:
        for model in models_in(step.condition) if step.condition is not None else ():
            if model_label(model) not in known:
                raise unknown_name(f"{where}, json", "model", model, known)


def _generic(declaration: SoftReferenceSettings, tables: Mapping[str, Table]) -> tuple[Table, tuple[Reference, ...]]:
    where = f"{WHERE} content_type = {declaration.content_type!r}"
    table, kind = column_named(str(declaration.content_type), tables, where)
    other, number = column_named(str(declaration.object_id), tables, f"{WHERE} object_id = {declaration.object_id!r}")
    if other.id != table.id:
        raise invalid(
            where, "The two columns belong to different tables.", f"They are in {table.label} and {other.label}."
        )
    if CONTENT_TYPES not in tables:
        raise invalid(where, "There are no content types.", f"The database has no table {CONTENT_TYPES}.")
    if kind.logical_type != "integer" or kind.name == number.name:
        raise SettingsError(
            f"{kind.name!r} cannot hold content types.",
            where=where,
            why=f"The column is {kind.native_type} ({kind.logical_type}).",
            fix="Name the column with the ids of django_content_type.",
        )
    if any(isinstance(one, SoftReference) and one.column in (kind.name, number.name) for one in table.references):
        raise invalid(where, "One of the columns is declared twice.", "A value can be read in one way only.")
    for one in table.references:
        if isinstance(one, GenericReference) and one.object_id_column == number.name:
            if one.content_type_column != kind.name:
                raise invalid(where, f"{number.name!r} is already a reference.", f"It is part of {one.name!r}.")
            # A pair that looked like one is now known to be one.
            known = one.model_copy(update={"declared": True})
            return table, tuple(known if reference is one else reference for reference in table.references)
    reference = GenericReference(
        name=f"{kind.field or kind.name} + {number.field or number.name}",
        content_type_column=kind.name,
        object_id_column=number.name,
    )
    return table, (*table.references, reference)


def _target(name: str, tables: Mapping[str, Table], where: str) -> tuple[Table, str]:
    """The table that ids are of, and the column they are values of: the primary key, unless another is named."""
    table = table_named(name, tables)
    if table is None:
        if table_named(name.rpartition(".")[0], tables) is None:
            raise unknown_name(f"{where}, target", "model or table", name, [table.label for table in tables.values()])
        table, column = column_named(name, tables, f"{where}, target")
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


def _first_column(table: Table) -> str:
    name = table.primary_key[-1] if table.primary_key else table.columns[0].name
    return table.column(name).field or name
