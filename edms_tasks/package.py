"""Package: store serialized chunks as objects in the repository, and finally a manifest that names them."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.digests.table_state import state_of_chunks
from edms_tasks.errors import DamagedRepository
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, Inventory, PathColumn, Table
from edms_tasks.lineage.snapshot_position import SnapshotPlace
from edms_tasks.manifest import (
    Chunk,
    FileIndex,
    FileNameState,
    Manifest,
    NativeSchema,
    ObjectRef,
    SequencePosition,
    TableEntry,
    TableState,
)
from edms_tasks.repository import Repository
from edms_tasks.scratch.bounded_parquet import require_bounded
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.serialize import KeptChunk, SerializedTable


def store_table(repository: Repository, table: Table, serialized: SerializedTable) -> TableEntry:
    """Put a table's new chunks into the repository, and remove the local files; returns the table's entry."""
    chunks = [_kept_chunk(repository, kept) for kept in serialized.kept]
    for new in serialized.new:
        chunks.append(
            Chunk(
                object=repository.put_file(new.path),
                rows=new.rows,
                exact_digest=new.exact_digest,
                content_digest=new.content_digest,
            )
        )
        new.path.unlink()
    return TableEntry(
        table=table,
        natural_key=serialized.natural_key,
        encodings=serialized.encodings,
        state=serialized.state,
        chunks=tuple(chunks),
        raw_bytes=serialized.raw_bytes,
    )


def _kept_chunk(repository: Repository, kept: KeptChunk) -> Chunk:
    superseded = repository.put_file(kept.superseded) if kept.superseded else None
    return kept.chunk.model_copy(update={"superseded": superseded, "superseded_rows": kept.superseded_rows})


def store_schema(repository: Repository, engine: str, captured: CapturedSchema) -> NativeSchema:
    """Put the native schema into the repository; returns its entry for the manifest."""
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
    place: SnapshotPlace,
    *,
    tag: str | None,
    schema: NativeSchema,
    sequences: Sequence[SequencePosition],
    entries: Sequence[TableEntry],
    files: Sequence[FileIndex],
    file_names: Sequence[FileNameState],
    path_columns: Sequence[PathColumn] = (),
    findings: Iterable[Finding],
    seconds: Mapping[str, float],
) -> tuple[str, Manifest]:
    """Write the manifest, with which the snapshot exists; returns the snapshot's id and the manifest."""
    manifest = Manifest(
        created=datetime.now(UTC),
        tag=tag,
        edms=inventory.edms,
        engine=inventory.engine,
        native_schema=schema,
        sequences=tuple(sequences),
        tables=tuple(sorted(entries, key=lambda entry: entry.table.id)),
        files=tuple(files),
        file_names=tuple(file_names),
        path_columns=tuple(path_columns),
        findings=(*findings, *_dangling(entries)),
        versions=versions(),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        previous=place.previous,
        number=place.number,
        identity=place.identity,
        aside=place.aside,
    )
    return repository.write_snapshot(manifest.to_json()), manifest


_version = cache(metadata.version)  # it reads and parses a file for each program


def versions() -> dict[str, str]:
    """Program -> version, as recorded in manifests and reports."""
    names = ("edms-backup", "duckdb", "pyarrow", "psycopg", "great-expectations", "prefect")
    found = {name: _version(name) for name in names}
    return {"python": platform.python_version(), **found}


@dataclass(frozen=True)
class VerifiedTable:
    """The result of reading a stored table again; it is right if there are no problems."""

    table_id: str
    problems: tuple[str, ...]


def fetch_chunks(repository: Repository, entry: TableEntry, folder: Path) -> list[Path]:
    """Fetch a table's chunks into `folder` (created), verify their SHA-256, and remove superseded rows. Raises DamagedRepository."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, chunk in enumerate(entry.chunks):
        path = folder / f"{number:06d}.parquet"
        repository.fetch(chunk.object, path)
        require_bounded(path, rows=chunk.rows, name=chunk.object.sha256)
        if chunk.superseded is not None:
            gone = folder / f"{number:06d}.superseded"
            repository.fetch(chunk.superseded, gone)
            require_bounded(gone, rows=chunk.superseded_rows, name=chunk.superseded.sha256)
            leave_out(path, gone, chunk)
            gone.unlink()
        paths.append(path)
    return paths


def leave_out(path: Path, gone: Path, chunk: Chunk) -> None:
    """Rewrite a fetched chunk without its superseded rows. Raises DamagedRepository if the row numbers are not valid."""
    try:
        rows, numbers = pq.read_table(path), pq.read_table(gone).column("row").to_numpy()
        keep = np.ones(rows.num_rows, dtype=bool)
        keep[numbers] = False
        if int(np.count_nonzero(~keep)) != chunk.superseded_rows or (numbers < 0).any():
            raise ValueError(f"{chunk.superseded_rows} rows are superseded, the object names {len(numbers)}")
    except (pa.ArrowException, KeyError, IndexError, ValueError, TypeError) as error:
        raise DamagedRepository(
            "The list of superseded rows does not match its chunk.",
            where=chunk.object.sha256,
            why=str(error),
            fix="Use another snapshot: `edms-backup verify` shows which are undamaged.",
        ) from error
    pq.write_table(rows.filter(pa.array(keep)), path, compression="none")


def verify_table(
    repository: Repository,
    entry: TableEntry,
    workspace: Workspace,
    folder: Path,
    known: Container[str] = frozenset(),
) -> VerifiedTable:
    """Read the chunks of a table again, and compare hashes, rows and digests with the manifest.

    Chunks that are in `known` (SHA-256 of verified objects) are not read; the others are then compared one by one.
    """
    unread = [chunk for chunk in entry.chunks if chunk.object.sha256 not in known]
    try:
        if len(unread) < len(entry.chunks):
            problems = [
                problem
                for number, chunk in enumerate(unread)
                for problem in _verify_chunk(repository, entry, chunk, workspace, folder / f"{number:06d}")
            ]
            # New lists of superseded rows of known chunks.
            gone = [
                chunk.superseded for chunk in entry.chunks if chunk.superseded and chunk.superseded.sha256 not in known
            ]
            problems += [
                f"{entry.table.label}: {problem}" for ref in gone if (problem := object_problem(repository, ref))
            ]
        else:
            paths = fetch_chunks(repository, entry, folder)
            found = state_of_chunks(workspace, entry.table, entry.natural_key, paths)
            for path in paths:
                path.unlink()
            problems = differences(entry.table.label, entry.state, found)
    except DamagedRepository as damage:
        problems = [f"{entry.table.label}: {damage.what} {damage.where} {damage.why}".strip()]
    return VerifiedTable(entry.table.id, tuple(problems))


def _verify_chunk(
    repository: Repository, entry: TableEntry, chunk: Chunk, workspace: Workspace, folder: Path
) -> list[str]:
    alone = chunk.model_copy(update={"superseded": None, "superseded_rows": 0})
    paths = fetch_chunks(repository, entry.model_copy(update={"chunks": (alone,)}), folder)
    found = state_of_chunks(workspace, entry.table, entry.natural_key, paths)
    shutil.rmtree(folder)
    return differences(f"{entry.table.label}, chunk {chunk.object.sha256[:12]}", chunk, found)


def differences(subject: str, expected: TableState | Chunk, found: TableState) -> list[str]:
    """A sentence for each number or digest that differs from the manifest's."""
    return [
        f"{subject}: {name} is {now}, but {was} in the manifest"
        for name, was, now in (
            ("rows", expected.rows, found.rows),
            ("exact digest", expected.exact_digest, found.exact_digest),
            ("content digest", expected.content_digest, found.content_digest),
        )
        if was != now
    ]


def object_problem(repository: Repository, ref: ObjectRef) -> str | None:
    """Why an object is missing or damaged; None if it is right."""
    try:
        repository.read(ref)
    except DamagedRepository as damage:
        return f"{damage.what} {damage.where} {damage.why}".strip()
    return None


def _dangling(entries: Sequence[TableEntry]) -> list[Finding]:
    return [
        make_finding(
            "dangling-reference",
            f"{entry.table.label}.{reference.name}",
            severity="warning",
            count=reference.dangling,
            examples=reference.dangling_examples,
        )
        for entry in entries
        for reference in entry.state.references
        if reference.dangling
    ]
