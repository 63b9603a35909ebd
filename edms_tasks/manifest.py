"""The manifest: the document that makes a snapshot. Only this module knows its JSON.

A snapshot exists when its manifest does. Its id is the SHA-256 of the manifest's bytes, so a changed manifest no longer
matches its name; each object in it is named by the SHA-256 of the object's bytes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, model_validator

from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.model import (
    ROW_ID,
    Edms,
    EdmsIdentity,
    FileNameReference,
    FileRoot,
    Finding,
    NaturalKey,
    PathColumn,
    Table,
    Value,
)
from edms_tasks.json_text import indented_json

FORMAT: Final = 2
"""The format of new snapshots; snapshots of format 1 are read."""

Hex64 = Field(pattern=r"^[0-9a-f]{64}$")


class ObjectRef(Value):
    """An immutable object in the repository: SHA-256 of its bytes, and their number."""

    sha256: str = Hex64
    size: int = Field(ge=0)


class Chunk(Value):
    """Some rows of a table, in one Parquet object.

    A later snapshot reuses the objects of an earlier one. Rows that were changed or deleted in the meantime are *superseded*:
    they are not rows of the later snapshot.
    """

    object: ObjectRef
    rows: int = Field(ge=0)  # in the object, superseded ones included
    block: int | None = Field(default=None, ge=0)  # format 2: the number of the block that the rows belong to
    exact_digest: str | None = None  # format 1: over all these rows; 32 hex digits
    content_digest: str | None = None
    superseded: ObjectRef | None = None  # a Parquet object with one column, `row`: numbers of rows, from 0
    superseded_rows: int = Field(default=0, ge=0)


Encoding = Literal["native", "output", "text", "tagged"]
"""How a column's values stand in Parquet; `docs/format.md` defines each.

native: the Parquet type says it all · output: PostgreSQL's own exact text · text: the same by a cast, in older snapshots and for XML ·
tagged: SQLite values of mixed storage classes.
"""


class Block(Value):
    """The proof of neighbouring rows of a table (format 2), whichever chunks contain them."""

    rows: int = Field(gt=0)
    first: tuple[str, ...]  # the key of its first row as texts; empty if the rows have no key that orders them
    columns: dict[str, Annotated[str, Hex64]]  # column of a chunk -> SHA-256 of its values in the order of the rows


class ReferenceState(Value):
    """The health of one reference at the time of counting."""

    name: str
    filled: int = Field(ge=0)  # rows in which the reference is not NULL
    dangling: int = Field(ge=0)  # of those, rows that refer to no existing row
    dangling_examples: tuple[str, ...] = ()


class TableState(Value):
    """Counts of a table's rows, and their proof: `proof` in format 2, the two digests in format 1."""

    rows: int = Field(ge=0)
    proof: str | None = None  # over the blocks: every column as it is, surrogate keys included; 64 hex digits
    exact_digest: str | None = None  # the same columns; 32 hex digits
    content_digest: str | None = None  # surrogate keys left out, references by natural key; 32 hex digits
    key_nulls: int = 0  # rows whose natural key has a NULL part
    key_duplicates: int = 0  # rows beyond the first of each natural key
    references: tuple[ReferenceState, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What stands for all rows and columns: the proof, or the exact digest of format 1."""
        return self.proof or self.exact_digest or ""


_UNCOMPRESSED = 8


class TableEntry(Value):
    """A table in a snapshot."""

    table: Table
    natural_key: NaturalKey | None  # the first candidate that holds on the rows; None: no key, not even a surrogate
    encodings: dict[str, Encoding]
    state: TableState
    chunks: tuple[Chunk, ...]
    blocks: tuple[Block, ...] | None = None  # in the order of the rows; None in format 1
    ordered_by: tuple[str, ...] | None = None  # the columns that order the rows; empty: their text does
    types: dict[str, str] | None = None  # column of a chunk -> Arrow type
    raw_bytes: int | None = None  # size of the rows when they were read, as uncompressed Parquet; None: not recorded

    def chunks_by_block(self) -> list[tuple[Chunk, ...]]:
        """The chunks of each block, in the order of the blocks. Call it once for all blocks: it looks at all chunks."""
        found: list[list[Chunk]] = [[] for _ in self.blocks or ()]
        for chunk in self.chunks:
            if chunk.block is not None:
                found[chunk.block].append(chunk)
        return [tuple(chunks) for chunks in found]

    @property
    def room(self) -> int:
        """Bytes that the rows take when they are read back; an estimate if not recorded."""
        return self.stored_bytes * _UNCOMPRESSED if self.raw_bytes is None else self.raw_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of the table's objects."""
        return sum(chunk.object.size for chunk in self.chunks)


class SequencePosition(Value):
    """The position of a sequence (PostgreSQL) or of sqlite_sequence's row for a table."""

    schema_name: str | None = None
    name: str
    last_value: int
    is_called: bool = True


class NativeSchema(Value):
    """The schema as the engine describes it, captured in the same consistent view as the rows."""

    engine: str
    format: Literal["pg_dump-custom", "sqlite-schema-json"]
    object: ObjectRef
    server_version: str
    settings: dict[str, str] = Field(default={})  # encoding, collation, … of the database as a whole
    materialized_views: tuple[str, ...] = ()  # quoted names, in the order of refreshing


class FileIndex(Value):
    """A file root in a snapshot: an index of paths (Parquet objects), and its counts and digest."""

    root: FileRoot
    files: int = Field(ge=0)
    bytes: int = Field(ge=0)
    digest: str  # order-independent over (path, kind, size, sha256); 32 hex digits
    index: tuple[ObjectRef, ...]
    packs: tuple[ObjectRef, ...]
    pack_bytes: dict[str, int] = Field(default={})  # pack (SHA-256) -> bytes in it, unpacked; absent if not recorded
    headers: tuple[ObjectRef, ...] | None = (
        None  # of objects whose names do not say them; None: files of a folder, or not recorded
    )


class ConfigFile(Value):
    """A file that the EDMS needs besides its data, and its permissions."""

    path: str
    mode: int = Field(ge=0, le=0o7777)
    object: ObjectRef


class FileNameState(Value):
    """Count and digest of files whose names contain ids of rows."""

    reference: FileNameReference
    files: int = Field(ge=0)  # number of files whose names match
    dangling: int = Field(ge=0)  # of those, files with an id that no row has
    dangling_examples: tuple[str, ...] = ()
    content_digest: str  # over the names with natural keys in place of ids, and the contents; 32 hex digits


CONVERTED = "converted:"
"""Beginning of the key of the snapshots that were converted from an EDMS's old backups.

They are no backups of the live system: the newest one, the next one's predecessor, the age of the last backup and retention pass over
them. That they have a key of their own decides all of that.
"""


class ConvertedFrom(Value):
    """The old backup of another tool that a snapshot was converted from."""

    format: str  # the reader's name, e.g. "dumpdata"
    name: str  # of the file or folder
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")  # None: a folder
    bytes: int = Field(ge=0)
    made: datetime | None = None  # when it was made, if that is known; then it is the snapshot's time, too
    facts: dict[str, str] = Field(default={})  # what it says of itself: when it was made, by which versions
    exact: bool  # whether its values can be those of the EDMS to the last digit
    losses: int = Field(ge=0)  # findings of severity error: what it held, or should have held, is not in the snapshot


class Manifest(Value):
    """One snapshot."""

    format: Literal[1, 2] = FORMAT
    created: datetime
    tag: str | None = None
    edms: Edms
    engine: str
    native_schema: NativeSchema
    sequences: tuple[SequencePosition, ...]
    tables: tuple[TableEntry, ...]
    files: tuple[FileIndex, ...]
    config_files: tuple[ConfigFile, ...] = ()
    file_names: tuple[FileNameState, ...] = ()
    path_columns: tuple[PathColumn, ...] = ()  # other columns than FileFields that name files
    findings: tuple[Finding, ...]
    versions: dict[str, str]  # of edms-backup and the libraries that wrote the snapshot
    seconds: dict[str, float]  # duration of each stage
    previous: str | None  # id of the previous snapshot of the same EDMS
    number: int | None = Field(
        default=None, ge=1
    )  # number of this EDMS's snapshots, including this one; None: not recorded
    identity: EdmsIdentity | None = None  # None: not recorded
    converted: ConvertedFrom | None = None  # None: a backup of the EDMS itself
    aside: tuple[str, ...] = ()  # ids of other newest snapshots of this EDMS, of which this one is not the successor

    @model_validator(mode="after")
    def _is_of_its_format(self) -> Manifest:
        """Every table has the proof of the manifest's format, so that no reader takes one that is missing for one that holds."""
        for entry in self.tables:
            complete = _is_proved_by_blocks(entry) if self.format == FORMAT else _is_proved_by_digests(entry)
            if not complete:
                raise ValueError(f"the table {entry.table.id} lacks what proves its rows in format {self.format}")
        return self

    @property
    def owner(self) -> str | None:
        """The recorded id of the snapshot's EDMS, with `CONVERTED` before it if it was converted from an old backup; None: none."""
        if self.identity is None:
            return None
        return self.identity.id if self.converted is None else CONVERTED + self.identity.id

    def to_json(self) -> bytes:
        """The manifest's bytes: UTF-8 JSON, stable key order."""
        content = self.model_dump(mode="json")
        if content["converted"] is None:
            del content["converted"]  # releases that do not know the key read the manifest
        if content["edms"]["time_zone"] is None:
            del content["edms"]["time_zone"]
        for entry in content["tables"]:
            if not entry["table"]["fixture_key"]:
                del entry["table"]["fixture_key"]
            for part in (entry["state"], *entry["chunks"]):
                for name in ("exact_digest", "content_digest"):
                    if part[name] is None:
                        del part[name]
        return indented_json(content, sort_keys=True)

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> Manifest:
        """Parse and validate a manifest; raises DamagedRepository if the bytes are no manifest of this format."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise DamagedRepository(
                "The manifest cannot be read.",
                where=where,
                why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                fix="Use another snapshot (`edms-backup list`); keep this file for analysis.",
            ) from error

    def uses(self) -> Iterator[tuple[ObjectRef, str]]:
        """Every object of the snapshot, and what for, such as "documents.Document"; an object with several uses comes several times."""
        yield self.native_schema.object, "native schema"
        for entry in self.tables:
            for chunk in entry.chunks:
                yield chunk.object, entry.table.label
                if chunk.superseded is not None:
                    yield chunk.superseded, f"{entry.table.label}, superseded rows"
        for index in self.files:
            for ref in index.index:
                yield ref, f"files of {index.root.name}, index"
            for ref in index.headers or ():
                yield ref, f"files of {index.root.name}, headers"
            for ref in index.packs:
                yield ref, f"files of {index.root.name}"
        for one in self.config_files:
            yield one.object, one.path

    def objects(self) -> dict[str, ObjectRef]:
        """All objects of the snapshot, by SHA-256."""
        return {ref.sha256: ref for ref, _ in self.uses()}

    def read_by_a_backup(self, known: Container[str], *, readable: bool = True) -> int:
        """The number of objects that a backup reads again: all but the chunks and packs in `known` (SHA-256s of earlier ones).

        `readable`: whether it can read earlier objects. If not, the schema and the indexes of files are only read if they are new.
        """
        if not readable:
            return sum(name not in known for name in self.objects())
        return sum(name in self.always_read or name not in known for name in self.objects())

    @property
    def always_read(self) -> frozenset[str]:
        """The objects (SHA-256s) that every verification reads, whatever is known of them."""
        return frozenset(
            {
                self.native_schema.object.sha256,
                *(ref.sha256 for index in self.files for ref in (*index.index, *(index.headers or ()))),
            }
        )

    @property
    def rows(self) -> int:
        """The number of rows in all tables."""
        return sum(entry.state.rows for entry in self.tables)


def _is_proved_by_blocks(entry: TableEntry) -> bool:
    if entry.blocks is None or entry.ordered_by is None or entry.types is None or entry.state.proof is None:
        return False
    own = {column.name for column in entry.table.columns} | ({ROW_ID} if entry.table.row_ids else set())
    return (
        {chunk.block for chunk in entry.chunks} == set(range(len(entry.blocks)))
        and sum(block.rows for block in entry.blocks) == entry.state.rows
        and all(block.columns.keys() == entry.types.keys() >= own for block in entry.blocks)
        and all(len(block.first) == len(entry.ordered_by) for block in entry.blocks)
        and (not entry.blocks or entry.types.keys() >= set(entry.ordered_by))
    )


def _is_proved_by_digests(entry: TableEntry) -> bool:
    held: list[TableState | Chunk] = [entry.state, *entry.chunks]
    return all(part.exact_digest is not None and part.content_digest is not None for part in held)
