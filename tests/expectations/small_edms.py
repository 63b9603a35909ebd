"""A small document system as a real database and the manifest that describes it, for tests of the validation.

Names are hostile on purpose: capitals, reserved words, quotes, percent signs, colons, braces.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from edms_tasks.inventory.model import (
    Column,
    Edms,
    FileRoot,
    ForeignReference,
    GenericReference,
    LogicalType,
    NaturalKey,
    Table,
)
from edms_tasks.manifest import FileIndex, Manifest, NativeSchema, ObjectRef, ReferenceState, TableEntry, TableState
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.quoting import identifier

PERSON = 'Order "%s" :who {batch}'
OBJECT = ObjectRef(sha256="a" * 64, size=1000)

SCHEMA = (
    "CREATE TABLE django_content_type (id integer PRIMARY KEY, app_label text NOT NULL, model text NOT NULL)",
    f"CREATE TABLE {identifier(PERSON)} (id integer PRIMARY KEY, {identifier('100% :number')} text NOT NULL)",
    "CREATE TABLE doc (id integer PRIMARY KEY, number text, author_id integer)",
    'CREATE TABLE "select" (id integer PRIMARY KEY, document_id integer NOT NULL, major int NOT NULL, size int)',
    "CREATE TABLE doc_readers (id integer PRIMARY KEY, document_id integer NOT NULL, person_id integer NOT NULL)",
    "CREATE TABLE audit (id integer PRIMARY KEY, kind_id integer, object_id text)",
)
ROWS = (
    "INSERT INTO django_content_type VALUES (1, 'documents', 'document'), (2, 'people', 'person'), (3, 'gone', 'm')",
    f"INSERT INTO {identifier(PERSON)} VALUES (1, 'EMP-1'), (2, 'EMP-2')",
    "INSERT INTO doc VALUES (1, 'SOP-1', 1), (2, 'SOP-2', 2), (3, 'SOP-3', NULL), (4, NULL, 77)",
    'INSERT INTO "select" VALUES (1, 1, 1, 10), (2, 1, 2, 20), (3, 2, 1, 30)',
    "INSERT INTO doc_readers VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)",
    "INSERT INTO audit VALUES (1, 1, '1'), (2, 1, '2'), (3, 2, '1'), (4, 1, '99'), (5, 3, '1'), (6, NULL, NULL)",
)


@dataclass(frozen=True)
class FoundFiles:
    """Stands for edms_tasks.files.FileCheck."""

    root: str = "media"
    expected: int = 3
    found: int = 3
    expected_digest: str = "f" * 32
    found_digest: str = "f" * 32
    missing: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    @property
    def missing_count(self) -> int:
        return len(self.missing)

    @property
    def altered_count(self) -> int:
        return len(self.altered)

    @property
    def unexpected_count(self) -> int:
        return len(self.unexpected)


def create(url: str, *damage: str) -> str:
    """Fill the database at `url` (a SQLAlchemy URL) and damage it; returns the URL."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in (*SCHEMA, *ROWS, *damage):
            connection.execute(sa.text(statement.replace(":", "\\:")))
    engine.dispose()
    return url


def states(**changed: dict[str, Any]) -> dict[str, MeasuredTable]:
    """What measuring an undamaged restored database in every part gives; `doc={"rows": 3}` changes it."""
    found = {entry.table.id: entry.state for entry in manifest().tables}
    return {name: replace(MeasuredTable.whole(state), **changed.get(name, {})) for name, state in found.items()}


def states_of_equal_rows() -> dict[str, MeasuredTable]:
    """What a validation measures where all rows are equal: numbers and fingerprints, and nothing else."""
    return {name: MeasuredTable(state.rows, state.fingerprint) for name, state in states().items()}


def manifest() -> Manifest:
    """What went in."""
    return Manifest(
        format=1,
        created=datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC),
        tag="nightly",
        edms=Edms(
            python="3.11.9",
            django="5.2.19",
            settings_module="config.settings",
            secret_key_fingerprint="sha256:12ab",
            migrations_applied=(("documents", "0001_initial"),),
            migrations_leaves=(("documents", "0001_initial"),),
        ),
        engine="sqlite",
        native_schema=NativeSchema(engine="sqlite", format="sqlite-schema-json", object=OBJECT, server_version="3.45"),
        sequences=(),
        tables=(
            _entry(
                "django_content_type",
                "contenttypes.ContentType",
                3,
                ("id", "app_label", "model"),
                [("app_label",), ("model",)],
            ),
            _entry(PERSON, "people.Person", 2, ("id", "100% :number"), [("100% :number",)]),
            _entry(
                "doc",
                "documents.Document",
                4,
                ("id", "number?", "author_id?"),
                [("number",)],
                _foreign("author_id", PERSON),
                dangling={"author_id": 1},
                key_nulls=1,
            ),
            _entry(
                "select",
                "documents.Version",
                3,
                ("id", "document_id", "major", "size?"),
                [("document_id", "number"), ("major",)],
                _foreign("document_id", "doc"),
            ),
            _entry(
                "doc_readers",
                "documents.Document_readers",
                3,
                ("id", "document_id", "person_id"),
                [("document_id",), ("person_id",)],
                _foreign("document_id", "doc", "many_to_many"),
                _foreign("person_id", PERSON, "many_to_many"),
            ),
            _entry(
                "audit",
                "audit.AuditTrail",
                6,
                ("id", "kind_id?", "object_id?"),
                [("id",)],
                _foreign("kind_id", "django_content_type"),
                GenericReference(name="content_object", content_type_column="kind_id", object_id_column="object_id"),
                dangling={"content_object": 2},
            ),
        ),
        files=(
            FileIndex(
                root=FileRoot(name="media", path="/srv/edms/media"),
                files=3,
                bytes=4_200_000,
                digest="f" * 32,
                index=(OBJECT,),
                packs=(),
            ),
        ),
        findings=(),
        versions={"edms-backup": "0.1.0", "pyarrow": "26.0.1"},
        seconds={"extract": 1.5},
        previous=None,
    )


def _foreign(column: str, target: str, kind: Any = "foreign") -> ForeignReference:
    return ForeignReference(kind=kind, name=column, columns=(column,), target=target, target_columns=("id",))


def _entry(
    name: str,
    model: str,
    rows: int,
    columns: tuple[str, ...],
    key: list[tuple[str, ...]],
    *references: ForeignReference | GenericReference,
    dangling: dict[str, int] | None = None,
    **state: int,
) -> TableEntry:
    natural_key = NaturalKey(source="unique", paths=tuple(key), readable=", ".join(".".join(path) for path in key))
    app, label = model.lower().split(".")
    return TableEntry(
        table=Table(
            id=name,
            schema_name=None,
            name=name,
            model=model,
            content_type=(app, label),
            columns=tuple(_column(column) for column in columns),
            primary_key=("id",),
            references=references,
            key_candidates=(natural_key,),
        ),
        natural_key=natural_key,
        encodings={column.rstrip("?"): "native" for column in columns},
        state=TableState(
            rows=rows,
            exact_digest=hashlib.md5(b"exact" + name.encode()).hexdigest(),
            content_digest=hashlib.md5(b"content" + name.encode()).hexdigest(),
            references=tuple(
                ReferenceState(name=r.name, filled=rows, dangling=(dangling or {}).get(r.name, 0)) for r in references
            ),
            **state,
        ),
        chunks=(),
    )


def _column(name: str) -> Column:
    bare = name.rstrip("?")
    whole: LogicalType = "integer" if bare in ("id", "major", "size", "kind_id") or bare.endswith("r_id") else "text"
    if bare in ("document_id", "person_id", "author_id"):
        whole = "integer"
    native = "integer" if whole == "integer" else "text"
    return Column(name=bare, native_type=native, logical_type=whole, nullable=name.endswith("?"))
