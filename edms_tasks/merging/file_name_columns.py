"""The columns that name files: FileFields, and columns of paths that the backup found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.inventory.model import PathColumn, Table
from edms_tasks.quoting import literal


@dataclass(frozen=True)
class Naming:
    """A column that names files of the folder `root`: its value is `strip` and the path without `prefix`.

    For example, values `/srv/media/a.pdf` have the strip `/srv/media/`; values `a.pdf` for `originals/a.pdf` have the prefix
    `originals/`.
    """

    column: str
    root: str
    strip: str = ""
    prefix: str = ""

    def path(self, text: str) -> str:
        """SQL: the path below the folder that a value names; NULL if the value does not begin with `strip`."""
        if not self.strip and not self.prefix:
            return text
        rest = f"substr({text}, {len(self.strip) + 1})"
        return f"CASE WHEN starts_with({text}, {literal(self.strip)}) THEN {literal(self.prefix)} || {rest} END"

    def value(self, path: str) -> str:
        """SQL: the value that names a path."""
        return (
            path
            if not self.strip and not self.prefix
            else f"{literal(self.strip)} || substr({path}, {len(self.prefix) + 1})"
        )

    def names(self, path: str) -> bool:
        """Whether a value of this column can name the path."""
        return path.startswith(self.prefix)


Namings = Mapping[str, Sequence[Naming]]
"""By table id."""


def naming_columns(
    tables: Iterable[Table], found: Sequence[PathColumn], folders: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Naming, ...]]:
    """Table id -> the columns that name files, and how.

    Args:
        tables: the snapshot's tables.
        found: the path columns that the backup found (`files/path_columns.py`).
        folders: root -> the paths of its folder, the snapshot's first and then the target's: values may be absolute paths.
    """
    namings: dict[str, dict[Naming, None]] = {table.id: {} for table in tables}
    for table in tables:
        for column, root in table.file_columns:
            namings[table.id][Naming(column, root)] = None
            for folder in folders.get(root, ()):
                namings[table.id][Naming(column, root, folder.rstrip("/") + "/")] = None
    for one in found:
        if one.table not in namings:
            continue
        for place in one.places:
            for strip in _strips(place.strip, folders.get(place.root, ())):
                namings[one.table][Naming(one.column, place.root, strip, place.prefix)] = None
    return {table_id: tuple(held) for table_id, held in namings.items()}


def _strips(strip: str, folders: Sequence[str]) -> list[str]:
    """The beginning of the values in both systems: an absolute path is another where the folder is elsewhere."""
    strips = [strip]
    if folders and strip.startswith(folders[0]):
        strips += [folder + strip[len(folders[0]) :] for folder in folders[1:]]
    return strips
