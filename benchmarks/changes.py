"""Changes to an EDMS between two backups: edits and new rows and files, in the newest documents or at random."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.file_contents import FileMaker
from benchmarks.installation import ROWS_PER_DOCUMENT
from benchmarks.multiply import count
from benchmarks.open_database import OpenDatabase, name_of, open_database
from edms_tasks.inventory.model import Column, ForeignReference, Table
from edms_tasks.quoting import identifier
from tests.reference_system import ReferenceEdms

_ROOT = "documents_document"


def work_goes_on(edms: ReferenceEdms, share: float) -> tuple[int, int]:
    """Change a share of the rows: half are edits of the newest documents and what belongs to them, half are new rows.

    Of the files, half of the share are written anew, those of the newest documents, and half are new.
    Returns how many rows and files were changed or added.
    """
    with open_database(edms.database_url) as database:
        rows = sum(count(database, table) for table in database.tables)
        edited = _edit_newest(database, round(rows * share / 2))
    documents = max(1, round(rows * share / 2 / ROWS_PER_DOCUMENT))
    # The files of new rows are counted separately: populate's own stay out of the folder that is backed up.
    with tempfile.TemporaryDirectory() as aside:
        elsewhere = dataclasses.replace(edms, media=Path(aside))
        elsewhere.manage("populate", "--documents", str(documents), "--seed", "2")
    with open_database(edms.database_url) as database:
        added = sum(count(database, table) for table in database.tables) - rows
    files = max(1, round(_file_count(edms) * share / 2))
    maker = FileMaker(seed=rows)
    there = [path for path in _named(edms, "id DESC") if path.exists()][:files]
    missing = [path for path in _named(edms, "id DESC") if not path.exists()][:files]
    return edited + added, maker.write(there) + maker.write(missing)


def change_at_random(edms: ReferenceEdms, share: float) -> tuple[int, int]:
    """Edit a share of the rows and files, anywhere. Returns how many."""
    with open_database(edms.database_url) as database:
        rows = sum(count(database, table) for table in database.tables)
        editable = dict(_editable(database.tables))
        chance = rows * share / sum(count(database, table) for table in editable)
        edited = sum(
            database.run(_touch(database, table, column, database.at_random(chance)))
            for table, column in editable.items()
        )
    there = [path for path in _named(edms, "id") if path.exists()]
    chosen = random.Random(rows).sample(there, max(1, round(len(there) * share)))
    return edited, FileMaker(seed=rows + 1).write(chosen)


def fill(edms: ReferenceEdms, files: int) -> int:
    """Write the files that the newest documents name; returns how many there were to write."""
    return FileMaker(seed=1).write(_named(edms, "id DESC")[:files])


def _edit_newest(database: OpenDatabase, rows: int) -> int:
    editable = dict(_editable(database.tables))
    documents = next(table for table in editable if table.id == _ROOT)
    total = sum(count(database, table) for table in editable)
    newest = max(1, round(count(database, documents) * rows / total))
    ((first,),) = database.rows(
        f"SELECT min(id) FROM (SELECT id FROM {name_of(documents)} ORDER BY id DESC LIMIT {newest}) newest"
    )
    return sum(
        database.run(_touch(database, table, column, _belongs(table, database.tables, int(first))))
        for table, column in editable.items()
    )


def _editable(tables: Sequence[Table]) -> Iterator[tuple[Table, Column]]:
    """Documents and the tables whose rows belong to one, each with the time that an edit writes again."""
    for table in tables:
        times = [column for column in table.columns if column.logical_type == "datetime" and not column.nullable]
        if times and (table.id == _ROOT or _owner(table, tables) is not None):
            yield table, times[-1]


def _owner(table: Table, tables: Sequence[Table]) -> ForeignReference | None:
    """The first column that leads to a document, straight or through another table."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    references = [r for r in table.references if isinstance(r, ForeignReference) and r.target != table.id]
    for reference in sorted(references, key=lambda r: places[r.columns[0]]):
        target = next(other for other in tables if other.id == reference.target)
        if target.id == _ROOT or (table.id != _ROOT and _owner(target, tables) is not None):
            return reference
    return None


def _belongs(table: Table, tables: Sequence[Table], first: int) -> str:
    """A condition on rows: they are documents from `first` on, or belong to one."""
    if table.id == _ROOT:
        return f"id >= {first}"
    reference = _owner(table, tables)
    assert reference is not None  # only tables that have one are editable
    target = next(other for other in tables if other.id == reference.target)
    return (
        f"{identifier(reference.columns[0])} IN (SELECT {identifier(reference.target_columns[0])} "
        f"FROM {name_of(target)} WHERE {_belongs(target, tables, first)})"
    )


def _touch(database: OpenDatabase, table: Table, column: Column, condition: str) -> str:
    name = identifier(column.name)
    return f"UPDATE {name_of(table)} SET {name} = {database.later(name, '1')} WHERE {condition}"


def _named(edms: ReferenceEdms, order: str) -> list[Path]:
    """The files that documents name, in an order of documents."""
    with open_database(edms.database_url) as database:
        names = database.rows(f"SELECT file FROM {identifier(_ROOT)} WHERE file <> '' ORDER BY {order}")
    return [edms.media / name for (name,) in names]


def _file_count(edms: ReferenceEdms) -> int:
    return sum(1 for path in edms.media.rglob("*") if path.is_file())
