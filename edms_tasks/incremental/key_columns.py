"""The columns of each table that natural keys and references use, and the references through which keys pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edms_tasks.digests.chunk_columns import reference_column
from edms_tasks.digests.table_state import members
from edms_tasks.inventory.model import CONTENT_TYPES, ForeignReference, NaturalKey, Reference, SoftReference, Table
from edms_tasks.inventory.natural_keys import generic_of, reference_of
from edms_tasks.manifest import TableEntry


@dataclass
class KeyColumns:
    """The columns of one table.

    Args:
        pointed: those by which rows of any table can refer to its rows.
        in_keys: those that are in natural keys, its own or those of other tables.
        followed: the references through which these keys pass, to other rows.
    """

    pointed: set[str] = field(default_factory=set)
    in_keys: set[str] = field(default_factory=set)
    followed: list[Reference] = field(default_factory=list)

    @property
    def all(self) -> set[str]:
        """All of these columns of the table itself."""
        return self.pointed | self.in_keys

    def stored(self, table: Table, types: Mapping[str, str]) -> list[str]:
        """The same columns of a chunk with these types, and those that references consist of."""
        found = set(self.all)
        for reference in table.references:
            found.update(members(reference), (reference_column(reference.name),))
        return [name for name in types if name in found]


def key_columns(tables: Mapping[str, Table], entries: Mapping[str, TableEntry]) -> dict[str, KeyColumns]:
    """Table id -> its columns. `entries` have the keys, table by table."""
    found = {table_id: KeyColumns() for table_id in tables}
    for table in tables.values():
        if len(table.primary_key) == 1:
            found[table.id].pointed.update(table.primary_key)
        for reference in table.references:
            if isinstance(reference, ForeignReference):
                for target in found.keys() & set(reference.targets):
                    found[target].pointed.update(reference.target_columns)
            elif isinstance(reference, SoftReference) and reference.target in found:
                found[reference.target].pointed.add(reference.target_column)
    if CONTENT_TYPES in tables:  # generic references have the names of models
        found[CONTENT_TYPES].in_keys.update(column.name for column in tables[CONTENT_TYPES].columns)
    for table_id, entry in entries.items():
        if table_id in tables and entry.natural_key is not None:
            _add_key(found, tables, tables[table_id], entry.natural_key)
    return found


def _add_key(found: dict[str, KeyColumns], tables: Mapping[str, Table], table: Table, key: NaturalKey) -> None:
    for path in key.paths:
        here: Table | None = table
        for place, column in enumerate(path):
            if here is None:
                break
            its = found[here.id]
            its.in_keys.add(column)
            reference = reference_of(here, column)
            goes_on = place < len(path) - 1
            if reference is not None and (goes_on or key.source != "surrogate"):
                its.followed.append(reference)
            elif reference is None and key.by_meaning:
                generic = generic_of(here, column)
                if generic is not None:
                    its.in_keys.add(generic.content_type_column)
                    its.followed.append(generic)
                its.followed += [soft for soft in here.soft_references if soft.column == column]
            here = tables.get(reference.target) if reference is not None else None
            if (
                goes_on
                and here is not None
                and reference is not None
                and not _is_unique(here, reference.target_columns)
            ):
                # Of several rows with the value, one is followed, and all columns decide which.
                found[here.id].in_keys.update(one.name for one in here.columns)


def _is_unique(table: Table, columns: tuple[str, ...]) -> bool:
    return columns == table.primary_key or any(key.columns == columns and not key.partial for key in table.unique_keys)
