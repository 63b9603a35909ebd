"""The manifest: the document that makes a snapshot. Only this module knows its JSON.

A snapshot exists when its manifest does. Its id is the SHA-256 of the manifest's bytes, so a changed manifest no longer
matches its name; each object in it is named by the SHA-256 of the object's bytes.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.model import (
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

FORMAT = 1

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
    exact_digest: str  # over all these rows; 32 hex digits
    content_digest: str
    superseded: ObjectRef | None = None  # a Parquet object with one column, `row`: numbers of rows, from 0
    superseded_rows: int = Field(default=0, ge=0)


Encoding = Literal["native", "output", "text", "tagged"]
"""How a column's values stand in Parquet; `docs/format.md` defines each.

native: the Parquet type says it all · output: PostgreSQL's own exact text · text: the same by a cast, in older snapshots and for XML ·
tagged: SQLite values of mixed storage classes.
"""


class ReferenceState(Value):
    """The health of one reference at the time of counting."""

    name: str
    filled: int = Field(ge=0)  # rows in which the reference is not NULL
    dangling: int = Field(ge=0)  # of those, rows that refer to no existing row
    dangling_examples: tuple[str, ...] = ()


class TableState(Value):
    """Counts and digests of a table's rows. Two equal states mean equal content."""

    rows: int = Field(ge=0)
    exact_digest: str  # every column as it is, surrogate keys included; 32 hex digits
    content_digest: str  # surrogate keys left out, references by natural key; 32 hex digits
    key_nulls: int = 0  # rows whose natural key has a NULL part
    key_duplicates: int = 0  # rows beyond the first of each natural key
    references: tuple[ReferenceState, ...] = ()


_UNCOMPRESSED = 8


class TableEntry(Value):
    """A table in a snapshot."""

    table: Table
    natural_key: NaturalKey | None  # the first candidate that holds on the rows; None: no key, not even a surrogate
    encodings: dict[str, Encoding]
    state: TableState
    chunks: tuple[Chunk, ...]
    raw_bytes: int | None = None  # size of the rows when they were read, as uncompressed Parquet; None: not recorded

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


class FileNameState(Value):
    """Count and digest of files whose names contain ids of rows."""

    reference: FileNameReference
    files: int = Field(ge=0)  # number of files whose names match
    dangling: int = Field(ge=0)  # of those, files with an id that no row has
    dangling_examples: tuple[str, ...] = ()
    content_digest: str  # over the names with natural keys in place of ids, and the contents; 32 hex digits


class Manifest(Value):
    """One snapshot."""

    format: Literal[1] = 1
    created: datetime
    tag: str | None = None
    edms: Edms
    engine: str
    native_schema: NativeSchema
    sequences: tuple[SequencePosition, ...]
    tables: tuple[TableEntry, ...]
    files: tuple[FileIndex, ...]
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
    aside: tuple[str, ...] = ()  # ids of other newest snapshots of this EDMS, of which this one is not the successor

    def to_json(self) -> bytes:
        """The manifest's bytes: UTF-8 JSON, stable key order."""
        return indented_json(self.model_dump(mode="json"), sort_keys=True)

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

    def objects(self) -> dict[str, ObjectRef]:
        """All objects of the snapshot, by SHA-256."""
        refs = [self.native_schema.object]
        for entry in self.tables:
            for chunk in entry.chunks:
                refs += [chunk.object, *([chunk.superseded] if chunk.superseded else [])]
        for index in self.files:
            refs.extend(index.index)
            refs.extend(index.packs)
        return {ref.sha256: ref for ref in refs}

    def read_by_a_backup(self, known: Container[str]) -> int:
        """The number of objects that a backup reads again: all but the chunks and packs in `known` (SHA-256s of earlier ones)."""
        always = {self.native_schema.object.sha256, *(ref.sha256 for index in self.files for ref in index.index)}
        return sum(name in always or name not in known for name in self.objects())

    @property
    def rows(self) -> int:
        """The number of rows in all tables."""
        return sum(entry.state.rows for entry in self.tables)
