"""Declared ids in names of files: `thumbnails/{pk:07}.webp` is the thumbnail of one document.

The names are those in the folder's index. Names with ids that no row has are counted. A digest over the names with natural
keys in place of ids shows whether the files belong to the same rows, whatever their ids.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import CONTENT, digest_hex, digest_sums, with_hashes
from edms_tasks.digests.table_state import parquet
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileNameReference, Finding
from edms_tasks.keys.checked_keys import CheckedKeys, ids_of
from edms_tasks.manifest import FileIndex, FileNameState
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.bounded_parquet import require_bounded
from edms_tasks.soft.id_lookup import Ids, marked
from edms_tasks.soft.id_patterns import name_expression

_NAMES = "file_names_with_ids"


def measure_file_names(
    references: Sequence[FileNameReference],
    indexes: Mapping[str, FileIndex],
    repository: Repository,
    keys: CheckedKeys,
    folder: Path,
) -> tuple[FileNameState, ...]:
    """Count and digest the file names that contain ids, for each declaration; `indexes` are the folders' indexes, by name.

    Raises:
        DamagedRepository: an index is missing or altered.
    """
    states = []
    with keys.workspace.cursor() as cursor, tempfile.TemporaryDirectory(prefix="file-names-", dir=folder) as scratch:
        for number, reference in enumerate(references):
            index = indexes.get(reference.root)
            paths = (
                [Path(scratch) / f"{number:03d}-{piece:06d}.parquet" for piece, _ in enumerate(index.index)]
                if index
                else []
            )
            for ref, path in zip(index.index if index else (), paths, strict=True):
                repository.fetch(ref, path)
                require_bounded(path, rows=None, name=ref.sha256)
            states.append(_measure(cursor, reference, paths, keys))
            for path in paths:
                path.unlink()
    return tuple(states)


def findings_of(states: Sequence[FileNameState]) -> list[Finding]:
    """A finding for each declaration with file names whose ids no row has."""
    return [
        make_finding(
            "file-of-no-row",
            f"files of {state.reference.root}: {state.reference.pattern}",
            "File names contain ids that no row has. The files are in the snapshot.",
            count=state.dangling,
            examples=state.dangling_examples,
        )
        for state in states
        if state.dangling
    ]


def _measure(
    cursor: duckdb.DuckDBPyConnection, reference: FileNameReference, paths: Sequence[Path], keys: CheckedKeys
) -> FileNameState:
    ids = ids_of(cursor, keys, reference.target, reference.target_column)
    files = "(SELECT CAST(NULL AS VARCHAR) AS path, CAST(NULL AS VARCHAR) AS sha256 WHERE false)"
    if paths:
        # No pattern matches a name that is not UTF-8.
        files = f"(SELECT try(decode(path)) AS path, sha256 FROM {parquet(paths)} WHERE kind = 'file')"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_NAMES} AS {matching(files, reference, ids)}")
    # The text that `*` matches is part of what is digested, and so is the file's content.
    hashed = with_hashes(_NAMES, common=(), exact=(), content=("before", "mark", "after", "sha256"))
    row = cursor.execute(
        f"SELECT count(*), count(*) FILTER (is_orphan), {digest_sums(CONTENT)} FROM ({hashed})"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    named, dangling, upper, lower = (int(value) for value in row)
    examples = cursor.execute(f"SELECT path FROM {_NAMES} WHERE is_orphan ORDER BY path LIMIT 3").fetchall()
    return FileNameState(
        reference=reference,
        files=named,
        dangling=dangling,
        dangling_examples=tuple(str(path)[:200] for (path,) in examples),
        content_digest=digest_hex(upper, lower),
    )


def matching(files: str, reference: FileNameReference, ids: Ids) -> str:
    """A SELECT of the files of a relation of (path, sha256) whose names match: each name cut at its id, and the row that the id belongs
    to.
    """
    pattern = name_expression(reference.pattern, reference.id_kind)
    # An id that is all zeros is the number 0.
    plain = "CASE WHEN trim(part.id, '0') = '' THEN '0' ELSE ltrim(part.id, '0') END" if pattern.padded else "part.id"
    parts = f"regexp_extract(path, {literal(pattern.expression)}, ['before', 'id', 'after'], 's')"
    return f"""
        SELECT
            n.path,
            n.sha256,
            n.part.before AS before,
            n.part.after AS after,
            {marked("i", "n.id")} AS mark,
            i.nk IS NULL AS is_orphan
        FROM (
            SELECT path, sha256, part, {plain} AS id
            FROM (SELECT path, sha256, {parts} AS part FROM {files})
            WHERE part.id <> ''
        ) n
            {ids.join("i", "n.id")}
    """
