"""The keys by which rows are matched: the snapshot's, and those that were declared since it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edms_tasks.errors import SettingsError
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import NaturalKey
from edms_tasks.inventory.natural_keys import declared_keys, table_ids_by_name
from edms_tasks.manifest import Manifest

Declared = Mapping[str, Sequence[str]]
Keys = Mapping[str, NaturalKey | None]


def keys_for_merge(manifest: Manifest, settings: Declared, asked: Declared, notes: list[str]) -> Keys:
    """Table id -> the natural key by which the snapshot's rows are matched.

    Args:
        manifest: the snapshot's, with the keys at that time.
        settings: the settings' `[natural_keys]`, which replace these. Models that the snapshot does not have are ignored.
        asked: `--key` of this merge, which replaces both.
        notes: gets a line for each key that differs from the snapshot's, or that is the primary key.

    Raises:
        SettingsError: a key names a model or field that the snapshot does not have.
    """
    tables = {entry.table.id: entry.table for entry in manifest.tables}
    known = table_ids_by_name(tables)
    there = {name: fields for name, fields in settings.items() if name.lower() in known}
    declared = declared_keys(tables, there) | declared_keys(tables, asked, where="--key")
    keys = {entry.table.id: entry.natural_key for entry in manifest.tables}
    for table_id, key in declared.items():
        before, table = keys[table_id], tables[table_id]
        # Rows whose only key is their id are matched by content, unless the id is declared as their key.
        if before is None or before.paths != key.paths or before.source == "surrogate":
            was = (before.readable or before.source) if before else "none"
            notes.append(f"{table.label} is matched by {key.readable}, as declared; the snapshot's key was: {was}.")
            keys[table_id] = key
        if key.paths == tuple((column,) for column in table.primary_key):
            notes.append(
                f"{table.label}: the declared key is the primary key. Rows with the same id are matched, whatever they contain."
            )
    return keys


def require_used(keys: Keys, side: Side) -> None:
    """Check that the keys could be used; raises SettingsError for one that depends on itself through its references."""
    for table_id, key in keys.items():
        used = side.keys.keys.get(table_id)
        if key is None or used is None or used.natural_key is not None:
            continue
        raise SettingsError(
            f"The key of {side.tables[table_id].label} ({key.readable}) follows references that lead back to the model itself.",
            where="[natural_keys] or --key",
            fix="Declare a key without that reference: other columns, or a path that ends in a plain column.",
        )
