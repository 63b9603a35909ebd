"""Which values must not be shown: those of columns in `[validate] sensitive`, and natural keys that contain them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from edms_tasks.comparing.shared_schema import path_targets
from edms_tasks.inventory.model import GenericReference, NaturalKey, Reference, SoftReference, Table


class Redaction:
    """Decides which values of two states may be shown.

    Args:
        sensitive: columns as the settings name them, "documents.Document.title".
        tables: tables by id.
        keys: natural keys by table id.
        labels: further names of the tables' models, by table id; a model may have another name in each state.
    """

    def __init__(
        self,
        sensitive: Collection[str],
        tables: Mapping[str, Table],
        keys: Mapping[str, NaturalKey | None],
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._labels = labels or {}
        self._sensitive = {name.lower() for name in sensitive}
        self._tables = tables
        self._keys = keys
        self._hidden: dict[str, bool] = {}
        self._silent: dict[tuple[str, str], bool] = {}

    def hides(self, table: Table, column: str) -> bool:
        """Whether a column's values are hidden: the settings name it, or a column that it refers to.

        Settings may name the column or its field, and the model or the table.
        """
        place = (table.id, column)
        if place not in self._silent:
            self._silent[place] = False  # a reference that leads back to itself ends there
            names = {column, table.column(column).field or column}
            called = (table.label, table.id, *self._labels.get(table.id, ()))
            spelled = {f"{name}.{one}".lower() for name in called for one in names}
            self._silent[place] = not spelled.isdisjoint(self._sensitive) or any(
                self._hides_pointed(reference, column) for reference in table.references
            )
        return self._silent[place]

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

    def hides_key(self, table_id: str) -> bool:
        """Whether the natural keys of a table contain a hidden value."""
        if table_id not in self._hidden:
            self._hidden[table_id] = False  # a key that leads back to itself ends there
            key = self._keys[table_id]
            self._hidden[table_id] = key is not None and any(
                self._hides_path(self._tables[table_id], path) for path in key.paths
            )
        return self._hidden[table_id]

    def hides_target(self, reference: Reference) -> bool:
        """Whether a reference may name a table whose natural keys are hidden; a generic one may name any model."""
        if isinstance(reference, GenericReference):
            return any(self.hides_key(table_id) for table_id, table in self._tables.items() if table.content_types)
        assert not isinstance(reference, SoftReference)  # soft references are shown as their column's value
        return self.hides_key(reference.target)

    def _hides_path(self, table: Table, path: tuple[str, ...]) -> bool:
        here = table
        for name, target in zip(path, path_targets(table, path, self._tables), strict=True):
            if self.hides(here, name):
                return True
            if target is not None:
                here = self._tables[target]
        return here is not table and target is not None and self.hides_key(here.id)
