"""Rows serialized in JSON by Django or modelcluster: the places of ids in such a copy of a row.

A copy has the row's primary key as `pk`, every field under its name, and lists of copies of the rows that belong to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import (
    CONTENT_TYPES,
    Condition,
    ForeignReference,
    GenericReference,
    IdKind,
    IdPlace,
    SoftReference,
    Table,
)

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DEEPEST = 4  # lists within lists


@dataclass(frozen=True)
class CopiedId:
    """A place in a copy that contains ids, and the table and column that they belong to."""

    target: str
    column: str
    place: IdPlace


def id_kind(target: Table, column: str) -> IdKind:
    """How the ids in a column are written."""
    kind = target.column(column).logical_type
    return "uuid" if kind == "uuid" else "number" if kind == "integer" else "text"


def copied_ids(
    table: Table,
    tables: Mapping[str, Table],
    where: tuple[Condition, ...],
    named: str,
) -> list[CopiedId]:
    """The places of ids in a copy of a row of this table.

    Args:
        table: the model's.
        tables: all, by id, with the references that the settings declare.
        where: the rows that hold such copies.
        named: the declaration, for errors.

    Raises:
        SettingsError: the copies hold ids that cannot be declared so.
    """
    if len(table.primary_key) != 1:
        raise SettingsError(
            f"A copy of a row of {table.label} has no id.",
            where=named,
            why=f"Its primary key has {len(table.primary_key)} columns.",
            fix='Declare the places in its JSON one by one: json = "$.document".',
        )
    return list(_Copies(tables, where, named).of(table, "$", ()))


@dataclass(frozen=True)
class _Copies:
    tables: Mapping[str, Table]
    where: tuple[Condition, ...]
    named: str

    def of(self, table: Table, path: str, above: tuple[str, ...]) -> Iterator[CopiedId]:
        """The ids in a copy at a path; `above` are the tables whose copies it is in."""
        family = self._family(table)
        yield self._at(f"{path}.pk", family[-1].id, family[-1].primary_key[0])
        for one in family:
            for reference in one.references:
                if isinstance(reference, ForeignReference):
                    yield from self._foreign(one, reference, path)
                elif isinstance(reference, SoftReference):
                    yield from self._declared(one, reference, path)
                else:
                    yield from self._generic(one, reference, path)
            for name, target_id in one.id_lists:
                target = self.tables.get(target_id)
                if target is not None and len(target.primary_key) == 1:
                    yield self._at(f"{path}{_step(name)}[*]", target.id, target.primary_key[0])
        if len(above) < _DEEPEST:
            for name, child in self._children({one.id for one in family}, above):
                yield from self.of(child, f"{path}{_step(name)}[*]", (*above, table.id))

    def _family(self, table: Table) -> list[Table]:
        """The table, and those of the models that its model extends: a copy has all their fields."""
        found = [table]
        while True:
            links = (
                one.target
                for one in found[-1].references
                if isinstance(one, ForeignReference) and one.columns == found[-1].primary_key
            )
            parent = self.tables.get(next(links, ""))
            if parent is None or parent in found or len(parent.primary_key) != 1:
                return found
            found.append(parent)

    def _foreign(self, table: Table, reference: ForeignReference, path: str) -> Iterator[CopiedId]:
        if len(reference.columns) != 1 or reference.columns == table.primary_key or reference.target not in self.tables:
            return
        field = table.column(reference.columns[0]).field
        if field is not None:
            yield self._at(f"{path}{_step(field)}", reference.target, reference.target_columns[0])

    def _declared(self, table: Table, reference: SoftReference, path: str) -> Iterator[CopiedId]:
        field = table.column(reference.column).field
        if field is None or reference.form == "copy":
            return
        for place in reference.places:
            met = self._met(table, place.where)
            # What a column holds as JSON is a string in a copy, or JSON as it is.
            inner = f"{path}{met}{_step(field)}" + (f".json(){place.path[1:]}" if place.path else "")
            yield CopiedId(
                reference.target,
                reference.target_column,
                place.model_copy(update={"where": self.where, "path": inner}),
            )

    def _met(self, table: Table, where: tuple[Condition, ...]) -> str:
        """The filter that a copy passes if the row would meet the conditions; "" for none."""
        tests = []
        for one in where:
            column = table.column(one.column)
            if column.field is None:
                raise SettingsError(
                    f"Copies of {table.label} do not have {one.column!r}.",
                    where=self.named,
                    why="The ids in them are declared with `where`, and no field of the model has that column.",
                    fix="Declare the places in the JSON of the copies one by one, by json instead of copy_of.",
                )
            place = f"@{_step(column.field)}"
            if one.models:
                either = [f"model({place}, {json.dumps(value)})" for value in one.values]
            elif column.logical_type == "boolean":
                either = [f"{place} == {value}" for value in one.values if value in ("true", "false")]
            else:
                either = [f"{place} == {json.dumps(value, ensure_ascii=False)}" for value in one.values]
                either += [f"{place} == {value}" for value in one.values if _NUMBER.fullmatch(value)]
            tests.append(f"({' || '.join(either)})")
        return f"(?{' && '.join(tests)})" if tests else ""

    def _generic(self, table: Table, reference: GenericReference, path: str) -> Iterator[CopiedId]:
        kind = table.column(reference.content_type_column).field
        number = table.column(reference.object_id_column).field
        if kind is None or number is None:
            return
        columns = [one.columns for one in table.references if isinstance(one, ForeignReference)]
        if (reference.content_type_column,) not in columns and CONTENT_TYPES in self.tables:
            yield self._at(content_type_path(path, kind), CONTENT_TYPES, "id")
        for target, inner in object_paths(path, kind, number, self.tables.values()):
            yield self._at(inner, target.id, target.primary_key[0])

    def _children(self, family: set[str], above: tuple[str, ...]) -> Iterator[tuple[str, Table]]:
        """The lists of rows in a copy: their names, and the tables of the rows."""
        for table in self.tables.values():
            if table.id in above or len(table.primary_key) != 1:
                continue
            lists = dict(table.child_lists)
            for reference in table.references:
                if isinstance(reference, ForeignReference) and reference.target in family:
                    name = lists.get(reference.columns[0])
                    if name is not None:
                        yield name, table

    def _at(self, path: str, target: str, column: str) -> CopiedId:
        return CopiedId(target, column, IdPlace(where=self.where, path=path, form="value"))


def content_type_path(path: str, member: str) -> str:
    """The path to the ids of content types in this member of the objects at a path; names of models are no ids."""
    return f'{path}(?!search(@{_step(member)}, "[^0-9]")){_step(member)}'


def object_paths(path: str, kind: str, number: str, tables: Iterable[Table]) -> Iterator[tuple[Table, str]]:
    """The path to the ids of rows of each of these tables, in objects at a path that name a content type and an id."""
    for table in tables:
        if table.content_types and len(table.primary_key) == 1:
            models = " || ".join(f'model(@{_step(kind)}, "{app}.{model}")' for app, model in table.content_types)
            yield table, f"{path}(?{models}){_step(number)}"


def _step(name: str) -> str:
    return f".{name}" if _PLAIN.fullmatch(name) else f".{json.dumps(name, ensure_ascii=False)}"
