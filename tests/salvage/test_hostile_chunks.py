"""Manifests that lie and objects that are no rows: nothing that is not proved counts as intact."""

from __future__ import annotations

import hashlib
import io
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Chunk, Manifest, ObjectRef, TableEntry
from edms_tasks.repository import Repository
from edms_tasks.salvage import survey_table
from edms_tasks.salvage.lost_ids import Bounds, ids_of_lost
from edms_tasks.scratch import bounded_parquet
from edms_tasks.scratch.workspace import Workspace, open_workspace
from tests.reference_system import Engine
from tests.salvage.damaged_system import System

pytestmark = pytest.mark.usefixtures("edms_asked_once")

COMMENTS = "documents.DocumentComment"


@pytest.fixture(scope="module")
def system(systems: Callable[[Engine], System]) -> System:
    return systems("sqlite")


@pytest.fixture
def entry(system: System) -> TableEntry:
    data = (system.protected.repository / "snapshots" / f"{system.snapshot}.json").read_bytes()
    manifest = Manifest.from_json(data, where="")
    return next(entry for entry in manifest.tables if entry.table.model == COMMENTS)


@pytest.fixture
def repository(system: System, tmp_path: Path) -> Repository:
    return Repository.open(system.protected.settings.repository).with_overlay(tmp_path / "own")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "workspace", memory_limit_mb=256, threads=1) as opened:
        yield opened


def _stored(repository: Repository, data: bytes) -> ObjectRef:
    ref = repository.put_bytes(data)
    assert ref.sha256 == hashlib.sha256(data).hexdigest()
    return ref


def _parquet(**columns: list[object]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


def _with(entry: TableEntry, number: int, **changed: object) -> TableEntry:
    chunks = list(entry.chunks)
    chunks[number] = chunks[number].model_copy(update=changed)
    return entry.model_copy(update={"chunks": tuple(chunks)})


def _with_another_text(repository: Repository, chunk: Chunk) -> bytes:
    rows = pq.read_table(io.BytesIO(repository.read(chunk.object)))
    texts = pa.array([f"{text} and more" for text in rows["text"].to_pylist()])
    return _parquet_of(rows.set_column(rows.schema.get_field_index("text"), "text", texts))


def _with_other_ids(repository: Repository, chunk: Chunk) -> bytes:
    rows = pq.read_table(io.BytesIO(repository.read(chunk.object)))
    return _parquet_of(rows.set_column(0, "id", rows["id"].cast(pa.string())))


def _parquet_of(rows: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(rows, target)
    return target.getvalue()


LIES: dict[str, Callable[[Repository, Chunk], dict[str, object]]] = {
    "no Parquet": lambda repository, chunk: {"object": _stored(repository, b"PAR1 and nothing else PAR1")},
    "other columns": lambda repository, chunk: {"object": _stored(repository, _parquet(id=[1, 2, 3]))},
    "another type": lambda repository, chunk: {"object": _stored(repository, _with_other_ids(repository, chunk))},
    "a size that is not its own": lambda repository, chunk: {
        "object": chunk.object.model_copy(update={"size": chunk.object.size + 1})
    },
}


def _many_rows(rows: int) -> bytes:
    """A value repeated: some hundred bytes for each million rows."""
    target = io.BytesIO()
    piece = pa.table({"id": pa.DictionaryArray.from_arrays(pa.array([0] * 2**20, pa.int8()), ["x" * 50])})
    with pq.ParquetWriter(target, piece.schema, compression="zstd") as writer:
        for _ in range(rows >> 20):
            writer.write_table(piece, row_group_size=2**20)
    return target.getvalue()


def _large_page(size: int) -> bytes:
    """One value of zeros, which zstd makes a hundred thousand times smaller."""
    target = io.BytesIO()
    row = pa.table({"id": pa.array([bytes(size)], pa.large_binary())})
    with pq.ParquetWriter(target, row.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(4):
            writer.write_table(row)
    return target.getvalue()


BOMBS: dict[str, Callable[[], tuple[bytes, int]]] = {
    "more rows than the manifest says": lambda: (_many_rows(2**20), 3),
    "more rows than a backup writes": lambda: (_many_rows(2**22), 2**22),
    "more bytes than a backup writes": lambda: (_large_page(20 << 20), 4),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_object_that_would_unpack_to_more_than_a_backup_writes_is_refused_unread(
    bomb: str, entry: TableEntry, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_parquet, "LARGEST_ROWS", 2**21)
    monkeypatch.setattr(bounded_parquet, "LARGEST_BYTES", 64 << 20)
    data, rows = BOMBS[bomb]()
    assert len(data) < 100_000
    lied = _with(entry, 0, object=_stored(repository, data), rows=rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(DamagedRepository, match="is not what a backup writes"):
        fetch_chunks(repository, lied, tmp_path / "fetched")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB


LISTS: dict[str, list[object]] = {
    "a row there is not": [10**6],
    "a row before the first": [-1],
    "no whole number": [0.5],
    "no number": ["0"],
    "nothing at all": [None],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_chunk_that_is_not_what_the_manifest_says_is_lost_alone(
    lie: str, entry: TableEntry, repository: Repository, workspace: Workspace, tmp_path: Path
) -> None:
    lied = _with(entry, 1, **LIES[lie](repository, entry.chunks[1]))

    found = survey_table(repository, lied, workspace, tmp_path / "survey")

    assert found.loss is not None
    assert [chunk.number for chunk in found.loss.chunks] == [2]
    assert found.rows == entry.state.rows - (entry.chunks[1].rows - entry.chunks[1].superseded_rows)
    assert found.entry.chunks == (entry.chunks[0], *entry.chunks[2:])


def test_rows_that_are_not_those_of_their_block_lose_it(
    entry: TableEntry, repository: Repository, workspace: Workspace, tmp_path: Path
) -> None:
    lied = _with(entry, 0, object=_stored(repository, _with_another_text(repository, entry.chunks[0])))
    block = [number for number, chunk in enumerate(entry.chunks) if chunk.block == entry.chunks[0].block]

    found = survey_table(repository, lied, workspace, tmp_path / "survey")

    assert found.loss is not None and [chunk.number - 1 for chunk in found.loss.chunks] == block
    assert {chunk.object.sha256 for chunk in found.entry.chunks} == {
        chunk.object.sha256 for number, chunk in enumerate(entry.chunks) if number not in block
    }


@pytest.mark.parametrize("numbers", LISTS)
def test_an_invalid_list_of_superseded_rows_loses_its_chunk(
    numbers: str, entry: TableEntry, repository: Repository, workspace: Workspace, tmp_path: Path
) -> None:
    (place,) = [number for number, chunk in enumerate(entry.chunks) if chunk.superseded_rows == 2]
    # As many as the manifest says, so that the numbers alone are wrong.
    lying = _stored(repository, _parquet(row=[*LISTS[numbers], *LISTS[numbers]]))
    once = _with(entry, place, superseded=lying)

    found = survey_table(repository, once, workspace, tmp_path / "survey")

    assert found.loss is not None and [chunk.number for chunk in found.loss.chunks] == [place + 1]
    assert found.loss.chunks[0].object.sha256 == lying.sha256


def test_a_list_that_names_other_rows_than_the_snapshot_left_out_loses_its_block(
    entry: TableEntry, repository: Repository, workspace: Workspace, tmp_path: Path
) -> None:
    """Every object is what its name says, and all together are not: which of the block's rows are false cannot be told."""
    (place,) = [number for number, chunk in enumerate(entry.chunks) if chunk.superseded_rows == 2]
    lying = _stored(repository, _parquet(row=[5, 6]))

    found = survey_table(repository, _with(entry, place, superseded=lying), workspace, tmp_path / "survey")

    block = entry.chunks[place].block
    assert found.loss is not None and block is not None and entry.blocks is not None
    assert found.rows == entry.state.rows - entry.blocks[block].rows
    assert {chunk.number - 1 for chunk in found.loss.chunks} == {
        n for n, c in enumerate(entry.chunks) if c.block == block
    }
    assert all("do not match the hashes of their block" in chunk.object.why for chunk in found.loss.chunks)


def test_an_intact_table_is_not_lost(
    entry: TableEntry, repository: Repository, workspace: Workspace, tmp_path: Path
) -> None:
    """Otherwise the others would pass for a reason that is not theirs."""
    found = survey_table(repository, entry, workspace, tmp_path / "survey")

    assert (found.loss, found.rows, found.fingerprint) == (None, entry.state.rows, entry.state.proof)


def test_keys_of_lost_rows_are_named_only_if_chunks_are_in_key_order(entry: TableEntry) -> None:
    ascending = [Bounds(1, 10), None, Bounds(21, 30)]

    assert ids_of_lost(entry.table, 1, ascending) == "id probably above 10 and below 21"
    assert ids_of_lost(entry.table, 0, [None, Bounds(5, 9)]) == "id probably below 5"
    assert ids_of_lost(entry.table, 1, [Bounds(1, 25), None, Bounds(21, 30)]) == ""
    assert ids_of_lost(entry.table, 0, [None]) == ""
    assert ids_of_lost(entry.table, 1, ascending, among=Bounds(12, 19)) == "id from 12 to 19"


def test_an_object_the_disk_cannot_read_counts_as_damaged(
    entry: TableEntry, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(path: object, *_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.open", refuse)

    with pytest.raises(DamagedRepository, match="Input/output error"):
        repository.fetch(entry.chunks[0].object, tmp_path / "chunk")
