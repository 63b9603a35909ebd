"""The result of a comparison, as values."""

from __future__ import annotations

from typing import Literal

from edms_tasks.inventory.model import Value

Change = Literal["changed", "removed", "added"]
CHANGES: tuple[Change, ...] = ("changed", "removed", "added")
_BACK: dict[Change, Change] = {"changed": "changed", "removed": "added", "added": "removed"}


class FieldChange(Value):
    """One column, or one reference, of a row that differs; None means NULL, or that the row is missing."""

    name: str
    before: str | None
    after: str | None


class RowDifference(Value):
    """One row that differs; values are shortened."""

    change: Change
    key: str  # the natural key as JSON text; for a row without one, its primary key
    fields: tuple[FieldChange, ...]  # of a changed row those that differ; otherwise all that are not NULL

    def turned(self) -> RowDifference:
        """The same difference in the other direction."""
        fields = (FieldChange(name=one.name, before=one.after, after=one.before) for one in self.fields)
        return RowDifference(change=_BACK[self.change], key=self.key, fields=tuple(fields))


class TableDifference(Value):
    """The differences of a table that both states have."""

    table_id: str
    model: str
    natural_key: str  # in words; "" if rows are compared by all their values
    first_rows: int
    second_rows: int
    added: int
    removed: int
    changed: int
    same: int
    other_ids: int  # rows with equal content that differ in their primary key, or in the ids of the rows they refer to
    doubled: int  # rows beyond the first of a natural key, on the side that has more of them
    columns: dict[str, int]  # changed column -> number of rows
    rows: tuple[RowDifference, ...]  # the first few
    read: bool  # False: the digests of two snapshots are equal, so the rows were not read

    @property
    def differences(self) -> int:
        """Rows added, removed and changed."""
        return self.added + self.removed + self.changed

    def turned(self) -> TableDifference:
        """The same difference in the other direction."""
        rows = sorted((row.turned() for row in self.rows), key=lambda row: CHANGES.index(row.change))
        back = {"first_rows": self.second_rows, "second_rows": self.first_rows}
        return self.model_copy(
            update={**back, "added": self.removed, "removed": self.added, "rows": tuple(rows)},
        )


class LoneTable(Value):
    """A table that only one of the two states has."""

    table_id: str
    model: str
    rows: int


class ColumnDifference(Value):
    """A column that only one of the two states has (the other's type is None), or that has different types."""

    model: str
    column: str
    first_type: str | None
    second_type: str | None

    def turned(self) -> ColumnDifference:
        """The same difference in the other direction."""
        return self.model_copy(update={"first_type": self.second_type, "second_type": self.first_type})


class PathDifference(Value):
    """A file or folder that differs; kind and size are None on the side where it is missing."""

    change: Change
    path: str
    first_kind: str | None
    second_kind: str | None
    first_size: int | None
    second_size: int | None

    def turned(self) -> PathDifference:
        """The same difference in the other direction."""
        return PathDifference(
            change=_BACK[self.change],
            path=self.path,
            first_kind=self.second_kind,
            second_kind=self.first_kind,
            first_size=self.second_size,
            second_size=self.first_size,
        )


class RootDifference(Value):
    """One folder of files."""

    root: str
    first_files: int
    second_files: int
    added: int
    removed: int
    changed: int
    same: int
    unread: int  # files of the live system that could not be read, so that nothing is known of their content
    folders_added: int
    folders_removed: int
    paths: tuple[PathDifference, ...]  # the first few

    @property
    def differences(self) -> int:
        """The number of files and folders that differ, or that could not be compared."""
        return self.added + self.removed + self.changed + self.unread + self.folders_added + self.folders_removed

    def turned(self) -> RootDifference:
        """The same difference in the other direction."""
        paths = sorted((path.turned() for path in self.paths), key=lambda path: CHANGES.index(path.change))
        back = {
            "first_files": self.second_files,
            "second_files": self.first_files,
            "added": self.removed,
            "removed": self.added,
            "folders_added": self.folders_removed,
            "folders_removed": self.folders_added,
            "paths": tuple(paths),
        }
        return self.model_copy(update=back)


class Difference(Value):
    """The differences of two states."""

    first: str  # for people; holds no secret
    second: str
    tables: tuple[TableDifference, ...]
    only_first: tuple[LoneTable, ...]
    only_second: tuple[LoneTable, ...]
    columns: tuple[ColumnDifference, ...]
    files: tuple[RootDifference, ...]
    notes: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs except ids."""
        alone = self.only_first or self.only_second or self.columns
        found = [one.differences for one in self.tables] + [one.differences for one in self.files]
        return not alone and not any(found)

    def turned(self) -> Difference:
        """The difference from the second state to the first."""
        back = {
            "first": self.second,
            "second": self.first,
            "tables": tuple(table.turned() for table in self.tables),
            "only_first": self.only_second,
            "only_second": self.only_first,
            "columns": tuple(column.turned() for column in self.columns),
            "files": tuple(root.turned() for root in self.files),
        }
        return self.model_copy(update=back)
