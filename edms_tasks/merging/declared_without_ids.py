"""Columns and file names that the user declares to contain no ids of rows (`--not-a-reference`, `[merge] not_references`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edms_tasks.errors import CommandError
from edms_tasks.inventory.model import Column, Table

_WILD = re.compile(r"(\{pk(?::0[1-9][0-9]?)?\}|\*)")
_PK = r"(?:\{pk(?::0[0-9]+)?\}|[0-9]+|[0-9a-fA-F-]{32,36})"
_WHERE = "--not-a-reference, or not_references under [merge] in the settings"


@dataclass(frozen=True)
class Accepted:
    """The checked declarations: every name exists in the snapshot."""

    columns: frozenset[str]  # as conflicts call them, in lower case
    files: tuple[str, ...]  # media:thumbnails/*

    def column(self, subject: str) -> bool:
        """Whether a column is declared; `subject` is its name in conflicts (`documents.Document.batch_id`)."""
        return subject.lower() in self.columns

    def file(self, root: str, name: str) -> bool:
        """Whether a file name, or a pattern of file names, in the folder `root` is declared."""
        return any(
            held == root and re.fullmatch(_expression(pattern), name, flags=re.DOTALL) is not None
            for held, _, pattern in (one.partition(":") for one in self.files)
        )


def accepted(names: Collection[str], tables: Mapping[str, Table], roots: Collection[str]) -> Accepted:
    """Check the names that the user declares to contain no ids.

    Args:
        names: `documents.Document.batch_id`, `table.column`, or `media:thumbnails/*`.
        tables: the snapshot's, by id.
        roots: the names of its folders of files.

    Raises:
        CommandError: a name is that of no column and of no folder.
    """
    by_name = {
        name.lower(): subject_of(table, column).lower()
        for table in tables.values()
        for column in table.columns
        for name in _names_of(table, column)
    }
    columns, files = set(), []
    for name in names:
        root, colon, _ = name.partition(":")
        if colon and root in roots:
            files.append(name)
        elif name.lower() in by_name:
            columns.add(by_name[name.lower()])
        elif colon:
            raise CommandError(
                f"The snapshot has no folder of files {root!r}.",
                where=_WHERE,
                fix=f"It has {', '.join(sorted(roots)) or 'none'}.",
            )
        else:
            raise CommandError(
                f"There is no column {name!r} in the snapshot.",
                where=_WHERE,
                fix="Name it as the conflict does: MODEL.FIELD or TABLE.COLUMN; names of files as FOLDER:PATTERN.",
            )
    return Accepted(frozenset(columns), tuple(files))


def subject_of(table: Table, column: Column) -> str:
    """The name of a column in conflicts: model and field, or table and column if no model has it."""
    return f"{table.label}.{column.field or column.name}"


def _names_of(table: Table, column: Column) -> set[str]:
    return {
        f"{owner}.{name}" for owner in (table.label, table.id) for name in (column.name, column.field or column.name)
    }


def _expression(pattern: str) -> str:
    parts = _WILD.split(pattern)
    return "".join("[^/]*" if part == "*" else _PK if _WILD.fullmatch(part) else re.escape(part) for part in parts)
