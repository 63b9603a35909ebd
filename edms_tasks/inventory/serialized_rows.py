"""Rows serialized in JSON by Django or modelcluster: the places of ids in such a copy of a row.

A copy has the row's primary key as `pk`, every field under its name, and lists of copies of the rows that belong to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Condition, ForeignReference, IdKind, IdPlace, SoftReference, Table

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
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
            if place.where:
                raise SettingsError(
                    f"Copies of {table.label} hold ids of {reference.column!r} that depend on other columns.",
                    where=self.named,
                    why=f"{table.label}.{reference.column} is declared with `where`, which is not known within a copy.",
                    fix="Declare the places in the JSON of the copies one by one, by json instead of copy_of.",
                )
            # What a column holds as JSON is a string in a copy, or JSON as it is.
            inner = f"{path}{_step(field)}" + (f".json(){place.path[1:]}" if place.path else "")
            yield CopiedId(
                reference.target,
                reference.target_column,
                place.model_copy(update={"where": self.where, "path": inner}),
            )

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


def _step(name: str) -> str:
    return f".{name}" if _PLAIN.fullmatch(name) else f".{json.dumps(name, ensure_ascii=False)}"
