"""What is said where files would have to be written into a store of objects, which no verb does."""

from __future__ import annotations

from edms_tasks.errors import StoreNotWritten
from edms_tasks.manifest import FileIndex


def in_a_store(index: FileIndex) -> StoreNotWritten:
    """The error for a root whose files belong into a store."""
    name = index.root.name
    return StoreNotWritten(
        f"The files {name!r} belong into a store of objects, and edms-backup writes into folders alone.",
        where=f"snapshot: {index.root.path}, {index.files:,} files",
        why="The database without its files would not be what the snapshot holds, so nothing was changed.",
        fix="Restore both beside the live system: `edms-backup restore SNAPSHOT --into NAME --into-files FOLDER`; copy the files to the "
        f"store: `aws s3 sync FOLDER/{name} {index.root.path}`; then let the EDMS use the database NAME. To replace or merge with "
        f'`edms-backup` instead, name a folder for these files: [files] roots = {{ {name} = "/path/to/a/folder" }}.',
    )
