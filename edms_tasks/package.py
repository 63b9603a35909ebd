"""Package: what was serialized becomes objects in the repository, and last of all a manifest that names them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.model import Finding, Inventory, Table
from edms_tasks.manifest import Chunk, FileIndex, Manifest, NativeSchema, ObjectRef, TableEntry
from edms_tasks.manifest import Sequence as SequencePosition
from edms_tasks.repository import Repository
from edms_tasks.serialize import SerializedTable, state_of_chunks
from edms_tasks.workspace import Workspace


def store_table(repository: Repository, table: Table, serialized: SerializedTable) -> TableEntry:
    """Put a table's chunks into the repository; the local files are removed as they are stored."""
    chunks = []
    for path, rows in serialized.files:
        chunks.append(Chunk(object=repository.put_file(path), rows=rows))
        path.unlink()
    return TableEntry(
        table=table,
        natural_key=serialized.natural_key,
        encodings=serialized.encodings,
        state=serialized.state,
        chunks=tuple(chunks),
    )


def store_schema(repository: Repository, engine: str, captured: CapturedSchema) -> NativeSchema:
    """Put the native schema into the repository."""
    return NativeSchema.model_validate(
        {
            "engine": engine,
            "format": captured.format,
            "object": repository.put_file(captured.path),
            "server_version": captured.server_version,
            "settings": captured.settings,
            "materialized_views": captured.materialized_views,
        }
    )


def write_manifest(
    repository: Repository,
    inventory: Inventory,
    *,
    tag: str | None,
    schema: NativeSchema,
    sequences: Sequence[SequencePosition],
    entries: Sequence[TableEntry],
    files: Sequence[FileIndex],
    findings: Iterable[Finding],
    seconds: Mapping[str, float],
) -> tuple[str, Manifest]:
    """Write the manifest, which makes the snapshot exist; returns its id."""
    earlier = repository.snapshots()
    manifest = Manifest(
        created=datetime.now(UTC),
        tag=tag,
        edms=inventory.edms,
        engine=inventory.engine,
        native_schema=schema,
        sequences=tuple(sequences),
        tables=tuple(sorted(entries, key=lambda entry: entry.table.id)),
        files=tuple(files),
        findings=(*findings, *_dangling(entries)),
        versions=versions(),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        previous=earlier[-1] if earlier else None,
    )
    return repository.write_snapshot(manifest.to_json()), manifest


def versions() -> dict[str, str]:
    """What wrote or read a snapshot."""
    names = ("edms-backup", "duckdb", "pyarrow", "psycopg", "great-expectations", "prefect")
    found = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), **found}


@dataclass(frozen=True)
class VerifiedTable:
    """What re-reading a stored table said."""

    table_id: str
    problems: tuple[str, ...]


def fetch_chunks(repository: Repository, entry: TableEntry, folder: Path) -> list[Path]:
    """Bring a table's chunks into `folder` (created), each verified against its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, chunk in enumerate(entry.chunks):
        path = folder / f"{number:06d}.parquet"
        repository.fetch(chunk.object, path)
        paths.append(path)
    return paths


def verify_table(repository: Repository, entry: TableEntry, workspace: Workspace, folder: Path) -> VerifiedTable:
    """Read every chunk of a table again: hashes, rows and digests must be what the manifest says."""
    try:
        paths = fetch_chunks(repository, entry, folder)
    except DamagedRepository as damage:
        return VerifiedTable(
            entry.table.id, (f"{entry.table.label}: {damage.what} {damage.where} {damage.why}".strip(),)
        )
    found = state_of_chunks(workspace, entry.table, entry.natural_key, paths)
    for path in paths:
        path.unlink()
    expected = entry.state
    problems = []
    for name, was, now in (
        ("rows", expected.rows, found.rows),
        ("exact digest", expected.exact_digest, found.exact_digest),
        ("content digest", expected.content_digest, found.content_digest),
    ):
        if was != now:
            problems.append(f"{entry.table.label}: {name} is {now}, the manifest says {was}")
    return VerifiedTable(entry.table.id, tuple(problems))


def object_problem(repository: Repository, ref: ObjectRef) -> str | None:
    """Why an object is not what its name says, or None."""
    try:
        repository.read(ref)
    except DamagedRepository as damage:
        return f"{damage.what} {damage.where} {damage.why}".strip()
    return None


def _dangling(entries: Sequence[TableEntry]) -> list[Finding]:
    return [
        Finding(
            code="dangling-reference",
            severity="warning",
            subject=f"{entry.table.label}.{reference.name}",
            message="Rows point at something that does not exist; they come back exactly so.",
            count=reference.dangling,
            examples=reference.dangling_examples,
            cure="Mend the rows in the EDMS, or leave them: validation expects the same number after a restore.",
        )
        for entry in entries
        for reference in entry.state.references
        if reference.dangling
    ]
