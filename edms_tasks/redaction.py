"""Which values must not be shown: those of columns in `[validate] sensitive`, and natural keys that contain them.

Whatever shows values of rows asks here, so that a column is as sensitive in an error as in a report, however the setting spells it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from edms_tasks.inventory.model import (
    Column,
    Finding,
    ForeignReference,
    GenericReference,
    NaturalKey,
    Reference,
    SoftReference,
    Table,
)
from edms_tasks.unknown_names import closest_name

if TYPE_CHECKING:
    from edms_tasks.manifest import TableEntry


NOT_SHOWN = "(not shown)"
"""What stands in place of a hidden value."""


class Redaction:
    """Decides which values of tables may be shown.

    Args:
        sensitive: columns as the settings name them: by model or table and by field or column, in any case.
        tables: tables by id.
        keys: natural keys by table id.
        labels: further names of the tables' models, by table id; a model may have another name in each of two states.
    """

    def __init__(
        self,
        sensitive: Collection[str],
        tables: Mapping[str, Table],
        keys: Mapping[str, NaturalKey | None],
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.is_asked = bool(sensitive)
        """Whether the settings name any column, known or not."""
        self._tables = tables
        self._keys = keys
        self._owners = _by_name(tables, labels or {})
        found = {name: self._places(name) for name in sensitive}
        self._named = {place for places in found.values() for place in places}
        self._unknown = tuple(name for name, places in found.items() if not places)
        self._hidden: dict[str, bool] = {}
        self._silent: dict[tuple[str, str], bool] = {}

    @classmethod
    def of_entries(cls, sensitive: Collection[str], entries: Iterable[TableEntry]) -> Redaction:
        """What may be shown of a snapshot's tables."""
        known = tuple(entries)
        return cls(
            sensitive,
            {entry.table.id: entry.table for entry in known},
            {entry.table.id: entry.natural_key for entry in known},
        )

    def hides(self, table: Table, column: str) -> bool:
        """Whether a column's values are hidden: the settings name it, or a column that it refers to."""
        place = (table.id, column)
        if place not in self._silent:
            self._silent[place] = False  # a reference that leads back to itself ends there
            self._silent[place] = place in self._named or any(
                self._hides_pointed(reference, column) for reference in table.references
            )
        return self._silent[place]

    def hides_any(self, table: Table) -> bool:
        """Whether the values of any of a table's columns are hidden."""
        return any(self.hides(table, column.name) for column in table.columns)

    def hides_key(self, table_id: str) -> bool:
        """Whether the natural keys of a table contain a hidden value."""
        if table_id not in self._hidden:
            self._hidden[table_id] = False  # a key that leads back to itself ends there
            key = self._keys.get(table_id)
            self._hidden[table_id] = key is not None and self.hides_key_of(self._tables[table_id], key)
        return self._hidden[table_id]

    def hides_key_of(self, table: Table, key: NaturalKey) -> bool:
        """Whether natural keys of this form, which need not be the table's own, contain a hidden value."""
        return any(self._hides_path(table, path, key) for path in key.paths)

    def hides_target(self, reference: Reference) -> bool:
        """Whether a reference may name a table whose natural keys are hidden; a generic one may name any model."""
        if isinstance(reference, GenericReference):
            return any(self.hides_key(table_id) for table_id, table in self._tables.items() if table.content_types)
        return any(self.hides_key(target) for target in (reference.target, *reference.targets))

    def silences(self, table: Table) -> bool:
        """Whether nothing of a table's rows is shown where it is not known which values a text contains.

        So it is if one of its columns is hidden, or the natural keys by which its rows and those that they refer to are named.
        """
        return self.hides_any(table) or self.hides_key(table.id) or any(map(self.hides_target, table.references))

    def hides_subject(self, subject: str) -> bool:
        """Whether values of what a finding or conflict is about are hidden.

        Its subject is a model or table, or a column or reference of one, which a blank and a path into the column's values may follow.
        """
        whole, _, _ = subject.partition(" ")
        if owners := self._owners.get(whole.lower()):
            return any(map(self.silences, owners))
        owner, _, name = whole.rpartition(".")
        return any(
            self.hides(table, column)
            for table in self._owners.get(owner.lower(), ())
            for column in _columns_called(name, table)
        )

    def without_values(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings, without the examples of those that are about hidden values."""
        for finding in findings:
            hidden = finding.examples and self.hides_subject(finding.subject)
            yield finding.model_copy(update={"examples": ()}) if hidden else finding

    def unknown(self) -> Iterator[tuple[str, str]]:
        """The names in the settings that no column has, each with the closest name that one has."""
        for name in self._unknown:
            among = self._owners.get(name.rpartition(".")[0].lower()) or self._tables.values()
            known = [f"{table.label}.{column.field or column.name}" for table in among for column in table.columns]
            yield name, closest_name(name, known)

    def _places(self, name: str) -> list[tuple[str, str]]:
        owner, _, last = name.rpartition(".")
        return [
            (table.id, column.name)
            for table in self._owners.get(owner.lower(), ())
            for column in table.columns
            if last.lower() in _names_of(column)
        ]

    def _hides_pointed(self, reference: Reference, column: str) -> bool:
        if isinstance(reference, GenericReference):
            keyed = [table for table in self._tables.values() if table.content_types]
            return column == reference.object_id_column and any(
                self.hides(table, name) for table in keyed for name in table.primary_key
            )
        target = self._tables.get(reference.target)
        if target is None:
            return False
        if isinstance(reference, SoftReference):
            return column == reference.column and self.hides(target, reference.target_column)
        pairs = zip(reference.columns, reference.target_columns, strict=True)
        return any(column == here and self.hides(target, there) for here, there in pairs)

    def _hides_path(self, table: Table, path: tuple[str, ...], key: NaturalKey) -> bool:
        here = table
        for position, name in enumerate(path):
            if self.hides(here, name):
                return True
            leads = [one for one in here.references if name in _columns_of(one) and self._stands_for_row(one, key)]
            if position == len(path) - 1:
                # The key of the row that it refers to; of its own table it is being found.
                return any(self.hides_target(one) for one in leads)
            target = next((self._tables.get(one.target) for one in leads if isinstance(one, ForeignReference)), None)
            if target is None:
                return False
            here = target
        return False

    def _stands_for_row(self, reference: Reference, key: NaturalKey) -> bool:
        """Whether a natural key has the referenced row's own key in place of the reference's value."""
        if key.source == "surrogate":
            return False
        return len(reference.columns) == 1 if isinstance(reference, ForeignReference) else key.by_meaning


def _by_name(tables: Mapping[str, Table], labels: Mapping[str, Collection[str]]) -> dict[str, list[Table]]:
    """Name in lower case -> tables: a table's id, and the labels of its model, which tables may share, and of the model's proxies."""
    found: dict[str, list[Table]] = {}
    for table in tables.values():
        proxies = (f"{app}.{model}" for app, model in table.proxy_content_types)
        for name in {one.lower() for one in (table.id, table.label, *labels.get(table.id, ()), *proxies)}:
            found.setdefault(name, []).append(table)
    return found


def _names_of(column: Column) -> set[str]:
    return {column.name.lower(), (column.field or column.name).lower()}


def _columns_called(name: str, table: Table) -> set[str]:
    """The columns that a column's name, a field's or a reference's means."""
    columns = {column.name for column in table.columns if name.lower() in _names_of(column)}
    return columns | {column for one in table.references if one.name == name for column in _columns_of(one)}


def _columns_of(reference: Reference) -> tuple[str, ...]:
    if isinstance(reference, ForeignReference):
        return reference.columns
    if isinstance(reference, SoftReference):
        return (reference.column,)
    return (reference.content_type_column, reference.object_id_column)


NOTHING_HIDDEN = Redaction((), {}, {})
"""The redaction of settings that name no column."""
