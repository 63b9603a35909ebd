"""The declarations of soft references in the settings now, applied to a snapshot that was made before they were written."""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.inventory.model import FileNameReference, SoftReference, Table
from edms_tasks.manifest import Manifest
from edms_tasks.soft.soft_references import declared_file_names, with_declared
from edms_tasks.soft_reference_settings import SoftReferenceSettings


def tables_as_declared(
    manifest: Manifest, declared: Sequence[SoftReferenceSettings], notes: list[str]
) -> dict[str, Table]:
    """Table id -> the snapshot's table with the soft references that the settings declare now, and those that only the snapshot has.

    Args:
        manifest: the snapshot's.
        declared: the settings' `[[soft_references]]`. Models that the snapshot does not have are ignored.
        notes: gets a line for each column whose references differ from the snapshot's.

    Raises:
        SettingsError: a declaration contradicts its column.
    """
    recorded = {entry.table.id: entry.table for entry in manifest.tables}
    usable = [one for one in declared if one.files is None and _is_of(one, recorded)]
    bare = {table_id: _without_soft(table) for table_id, table in recorded.items()}
    described = with_declared(bare, usable)
    for table_id, was in recorded.items():
        now = described[table_id]
        anew = {reference.column for reference in now.soft_references}
        # Declarations that only the snapshot has were right when it was made.
        kept = tuple(reference for reference in was.soft_references if reference.column not in anew)
        described[table_id] = now.model_copy(update={"references": (*now.references, *kept)})
        changed = set(described[table_id].references) ^ set(was.references)
        notes += [
            f"{was.label}.{name}: the references declared in the settings are used; the snapshot's are different."
            for name in sorted({getattr(one, "column", None) or one.name for one in changed})
        ]
    return described


def names_as_declared(
    manifest: Manifest, declared: Sequence[SoftReferenceSettings], notes: list[str]
) -> list[FileNameReference]:
    """The references in file names: the snapshot's, and those that the settings have declared since. A line for each of the latter is
    added to `notes`.

    Raises:
        SettingsError: a declaration contradicts itself.
    """
    tables = {entry.table.id: entry.table for entry in manifest.tables}
    roots = [index.root.name for index in manifest.files]
    usable = [one for one in declared if one.files in roots and _is_of(one, tables)]
    known = [state.reference for state in manifest.file_names]
    patterns = {(one.root, one.pattern) for one in known}
    new = [one for one in declared_file_names(tables, usable, roots) if (one.root, one.pattern) not in patterns]
    notes += [
        f"Names of files in {one.root} like {one.pattern} change with the ids of their rows, as the settings declare."
        for one in new
    ]
    return [*known, *new]


def _is_of(declaration: SoftReferenceSettings, tables: dict[str, Table]) -> bool:
    """Whether the snapshot has the models that a declaration names; the settings may be of a newer version of the EDMS."""
    known = {table.label.lower() for table in tables.values()} | {table_id.lower() for table_id in tables}
    owners = [
        name.rpartition(".")[0].lower()
        for name in ((declaration.column,) if declaration.column else (declaration.content_type, declaration.object_id))
        if name is not None
    ]
    if declaration.copy_of is not None and "." in declaration.copy_of:
        owners.append(declaration.copy_of.lower())
    for target in map(str.lower, declaration.targets):
        owners.append(target if target in known else target.rpartition(".")[0])
    return all(owner in known for owner in owners)


def _without_soft(table: Table) -> Table:
    kept = tuple(reference for reference in table.references if not isinstance(reference, SoftReference))
    return table.model_copy(update={"references": kept})
