"""Package: store serialized chunks as objects in the repository, and finally a manifest that names them."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from edms_tasks.chunks.stored_chunks import block_rows, fetch_chunks
from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.digests.table_state import state_of_chunks
from edms_tasks.errors import DamagedRepository
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, Inventory, PathColumn, Table
from edms_tasks.lineage.snapshot_position import SnapshotPlace
from edms_tasks.manifest import (
    Chunk,
    ConfigFile,
    ConvertedFrom,
    FileIndex,
    FileNameState,
    Manifest,
    NativeSchema,
    ObjectRef,
    SequencePosition,
    TableEntry,
    TableState,
)
from edms_tasks.proof.block_hash import differing, hash_columns, hash_table
from edms_tasks.proof.row_key import ascends, key_of_row
from edms_tasks.proof.table_proof import own_columns, types_of
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.serialize import KeptChunk, SerializedTable


def store_table(repository: Repository, table: Table, serialized: SerializedTable) -> TableEntry:
    """Put a table's new chunks into the repository, and remove the local files; returns the table's entry."""
    chunks = []
    for number, block in enumerate(serialized.blocks):
        chunks += [_kept_chunk(repository, kept, number) for kept in block.kept]
        if block.new is not None:
            chunks.append(Chunk(object=repository.put_file(block.new.path), rows=block.new.rows, block=number))
            block.new.path.unlink()
    return serialized.entry(table, chunks)


def _kept_chunk(repository: Repository, kept: KeptChunk, block: int) -> Chunk:
    changed: dict[str, object] = {"block": block}
    if kept.superseded is not None:
        changed |= {"superseded": repository.put_file(kept.superseded), "superseded_rows": kept.superseded_rows}
    return kept.chunk.model_copy(update=changed)


def store_schema(repository: Repository, engine: str, captured: CapturedSchema) -> NativeSchema:
    """Put the native schema into the repository; returns its entry for the manifest."""
    return NativeSchema.model_validate(
        {
            "engine": engine,
            "format": captured.format,
            "object": repository.put_file(captured.path, keep_copy=True),
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
    config_files: Sequence[ConfigFile] = (),
    file_names: Sequence[FileNameState],
    path_columns: Sequence[PathColumn] = (),
    findings: Iterable[Finding],
    sensitive: Collection[str] = (),
    seconds: Mapping[str, float],
    converted: ConvertedFrom | None = None,
) -> tuple[str, Manifest]:
    """Write the manifest, with which the snapshot exists; returns the snapshot's id and the manifest.

    Its findings have no values of the columns that the settings call `sensitive`.
    """
    redaction = Redaction.of_entries(sensitive, entries)
    manifest = Manifest(
        created=converted.made if converted is not None and converted.made is not None else datetime.now(UTC),
        tag=tag,
        edms=inventory.edms,
        engine=inventory.engine,
        native_schema=schema,
        sequences=tuple(sequences),
        tables=tuple(sorted(entries, key=lambda entry: entry.table.id)),
        files=tuple(files),
        config_files=tuple(config_files),
        file_names=tuple(file_names),
        path_columns=tuple(path_columns),
        findings=tuple(redaction.without_values((*findings, *_dangling(entries)))),
        versions=versions(),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        previous=place.previous,
        number=place.number,
        identity=place.identity,
        aside=place.aside,
        converted=converted,
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


def verify_table(
    repository: Repository,
    entry: TableEntry,
    workspace: Workspace,
    folder: Path,
    known: Container[str] = frozenset(),
) -> VerifiedTable:
    """Read the chunks of a table again, and compare hashes, rows and proof with the manifest.

    What is stored in `known` objects (SHA-256s of verified ones) alone is not read.
    """
    if entry.blocks is not None:
        return VerifiedTable(entry.table.id, tuple(_verify_blocks(repository, entry, folder, known)))
    return VerifiedTable(entry.table.id, tuple(_verify_digests(repository, entry, workspace, folder, known)))


def _verify_blocks(repository: Repository, entry: TableEntry, folder: Path, known: Container[str]) -> Iterator[str]:
    """What is wrong with the blocks of a table (format 2)."""
    blocks, names = entry.blocks or (), own_columns(entry.table)
    before: tuple[int | bytes, ...] | None = None
    for number, (block, chunks) in enumerate(zip(blocks, entry.chunks_by_block(), strict=True)):
        if all(ref.sha256 in known for chunk in chunks for ref in (chunk.object, chunk.superseded) if ref):
            before = None
            continue
        subject = f"{entry.table.label}, block {number + 1} of {len(blocks)}"
        try:
            rows = block_rows(repository, chunks, entry.ordered_by or (), folder)
        except DamagedRepository as damage:
            yield f"{entry.table.label}: {damage.what} {damage.where} {damage.why}".strip()
            before = None
            continue
        if rows.num_rows != block.rows:
            yield f"{subject}: {rows.num_rows} rows are stored, but {block.rows} in the manifest"
        elif (found := types_of(rows.schema)) != entry.types:
            yield f"{subject}: its columns are {found}, but {entry.types} in the manifest"
        elif different := sorted(differing(hash_columns(rows, entry.encodings), block.columns)):
            yield f"{subject}: the values of {', '.join(different)} do not match their hashes in the manifest"
        elif entry.ordered_by:
            if not ascends(rows, entry.ordered_by) or (before and before >= key_of_row(rows, entry.ordered_by, 0)):
                yield f"{subject}: its rows do not stand in the order of {', '.join(entry.ordered_by)}"
            before = key_of_row(rows, entry.ordered_by, rows.num_rows - 1)
    if sum(block.rows for block in blocks) != entry.state.rows:
        yield f"{entry.table.label}: its blocks do not have the {entry.state.rows} rows of the manifest"
    elif hash_table(blocks, names) != entry.state.proof:
        yield f"{entry.table.label}: the proof does not match the blocks"


def _verify_digests(
    repository: Repository, entry: TableEntry, workspace: Workspace, folder: Path, known: Container[str]
) -> list[str]:
    """What is wrong with the chunks of a table (format 1). Chunks that are not in `known` are compared one by one if some are."""
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
            return problems + [
                f"{entry.table.label}: {problem}" for ref in gone if (problem := object_problem(repository, ref))
            ]
        paths = fetch_chunks(repository, entry, folder)
        found = state_of_chunks(workspace, entry.table, entry.natural_key, paths)
        for path in paths:
            path.unlink()
        return differences(entry.table.label, entry.state, found)
    except DamagedRepository as damage:
        return [f"{entry.table.label}: {damage.what} {damage.where} {damage.why}".strip()]


def _verify_chunk(
    repository: Repository, entry: TableEntry, chunk: Chunk, workspace: Workspace, folder: Path
) -> list[str]:
    alone = chunk.model_copy(update={"superseded": None, "superseded_rows": 0})
    paths = fetch_chunks(repository, entry.model_copy(update={"chunks": (alone,)}), folder)
    found = state_of_chunks(workspace, entry.table, entry.natural_key, paths)
    shutil.rmtree(folder)
    return differences(f"{entry.table.label}, chunk {chunk.object.sha256[:12]}", chunk, found)


def differences(subject: str, expected: TableState | Chunk, found: TableState) -> list[str]:
    """A sentence for each number or digest (format 1) that differs from the manifest's."""
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
