"""What is said where files would have to be merged into a store of objects."""

from __future__ import annotations

from edms_tasks.errors import StoreNotWritten
from edms_tasks.manifest import FileIndex


def in_a_store(index: FileIndex) -> StoreNotWritten:
    """The error for a root whose files belong into a store."""
    name = index.root.name
    return StoreNotWritten(
        f"The files {name!r} are in a store of objects, into which a merge does not write.",
        where=f"snapshot: {index.root.path}, {index.files:,} files",
        why="The database without its files would not be what was asked for, so nothing was changed.",
        fix="`edms-backup restore` replaces database and objects. To bring back single documents: `edms-backup restore SNAPSHOT --into "
        "NAME --into-files FOLDER`, and take them from there.",
    )
