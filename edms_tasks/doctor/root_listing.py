"""The names of the files under every root, for comparison with columns that name files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.doctor.assessment import Assessment, assessed
from edms_tasks.files.declared_ids_in_names import matching
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.files.file_sources import FileSource, FolderSource
from edms_tasks.files.folder_walk import Troubles
from edms_tasks.files.index import readable
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileNameReference, FileRoot, Finding
from edms_tasks.keys.checked_keys import CheckedKeys, ids_of
from edms_tasks.quoting import literal

FILE_NAMES = "file_names"
"""A relation of (root, path): the root's name, and a file's path below it as text; names that are no UTF-8 are left out."""

_EXAMPLES = 5
_NAMES_AT_ONCE = 65_536
_SCHEMA = pa.schema([pa.field("root", pa.string()), pa.field("path", pa.binary())])


@dataclass(frozen=True)
class WalkedRoot:
    """A root that was walked."""

    root: FileRoot
    files: int
    troubles: tuple[Finding, ...]


def walk_root(
    root: FileRoot, leave_out: LeaveOut, ours: Sequence[Path], into: Path, source: FileSource | None = None
) -> WalkedRoot:
    """Write the names of a root's files to the Parquet file `into`.

    Args:
        root: the folder.
        leave_out: the files that a backup leaves out.
        ours: our own folders and the database's file; they are skipped if they are in the root.
        into: the Parquet file; written even if the root has no files.
        source: where its files are; None: in the folder that the root names.
    """
    troubles = Troubles(root.name)
    source = source or FolderSource(root.path)
    files = 0
    names: list[bytes] = []
    with pq.ParquetWriter(into, _SCHEMA) as writer:
        for found in source.walk(troubles.tell, leave_out, ours, into.parent / f"{into.stem}-listing"):
            if found.kind != "file":
                continue
            if not source.is_readable(found.path):
                troubles.tell("file-unreadable", found.path)
                continue
            files += 1
            names.append(found.path)
            if len(names) == _NAMES_AT_ONCE:
                _write(writer, root, names)
                names = []
        _write(writer, root, names)
    return WalkedRoot(root, files, troubles.findings())


def walked_files(walked: Sequence[Path]) -> str:
    """SELECT (root, path) from what `walk_root` wrote, the paths as bytes."""
    if not walked:
        return "SELECT CAST(NULL AS VARCHAR) AS root, CAST(NULL AS BLOB) AS path WHERE false"
    return f"SELECT root, path FROM read_parquet([{', '.join(literal(str(path)) for path in walked)}])"


def tabulate_names(cursor: duckdb.DuckDBPyConnection, walked: Sequence[Path]) -> None:
    """Fill `FILE_NAMES` from what `walk_root` wrote."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {FILE_NAMES} AS SELECT root, try(decode(path)) AS path FROM ({walked_files(walked)})"
    )


def assess_roots(walked: Sequence[WalkedRoot]) -> list[Assessment]:
    """The problems that the walks met: missing folders, unreadable files, links that lead out of a root."""
    wordings: dict[str, Callable[[str], str]] = {
        # These messages are about a finished backup; here there is none yet.
        code: lambda message: message.replace("is not in the snapshot", "would not be in a snapshot")
        for code in ("file-unreadable", "folder-unreadable", "file-special", "link-dangling")
    }
    wordings["file-root-missing"] = lambda message: message.replace("is in the snapshot", "would be in a snapshot")
    return [
        assessed(finding, message=wordings.get(finding.code, str)(finding.message))
        for root in walked
        for finding in root.troubles
    ]


def assess_file_names(
    cursor: duckdb.DuckDBPyConnection, references: Sequence[FileNameReference], keys: CheckedKeys
) -> list[Assessment]:
    """Files whose names, as declared, contain the id of a row that does not exist."""
    assessments = []
    for reference in references:
        if reference.target not in keys.tables:
            continue  # an excluded table
        files = f"(SELECT path, '' AS sha256 FROM {FILE_NAMES} WHERE root = {literal(reference.root)})"
        ids = ids_of(cursor, keys, reference.target, reference.target_column)
        counted = f"SELECT path FROM ({matching(files, reference, ids)}) WHERE is_orphan"
        count, examples = cursor.execute(f"SELECT count(*), min(path, {_EXAMPLES}) FROM ({counted})").fetchall()[0]
        if count:
            assessments.append(
                assessed(
                    make_finding(
                        "file-of-no-row",
                        f"files of {reference.root}: {reference.pattern}",
                        f"File names contain ids that no row of {keys.tables[reference.target].label} has.",
                        count=int(count),
                        examples=tuple(readable(path.encode()) for path in examples),
                        fix="Delete them in the EDMS, or leave them: they are backed up anyway.",
                    )
                )
            )
    return assessments


def _write(writer: pq.ParquetWriter, root: FileRoot, names: Sequence[bytes]) -> None:
    if names:
        writer.write_table(pa.table({"root": [root.name] * len(names), "path": list(names)}, schema=_SCHEMA))
