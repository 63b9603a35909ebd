"""Rebuild the schema of a PostgreSQL database in another, as a restore does, without its rows; and what pg_dump says of both."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.manifest import Manifest, NativeSchema
from edms_tasks.structure.structure_check import StructureCheck, check_structure


@dataclass(frozen=True)
class Captured:
    """What a backup records of a schema."""

    schema: CapturedSchema
    url: str


@dataclass(frozen=True)
class Rebuilt:
    """A database that was made from it, and what the product says of it."""

    url: str
    notes: tuple[str, ...]
    staging: StagingDatabase
    checks: tuple[StructureCheck, ...]

    @property
    def note(self) -> str:
        return "\n".join(self.notes)

    @property
    def is_proved(self) -> bool:
        return [check for check in self.checks if check.expected != check.found] == []


def capture(url: str, folder: Path) -> Captured:
    """As a backup does."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_database(DatabaseAddress.from_url(url)).view(folder, 1) as view:
        return Captured(view.capture_schema(folder / "schema"), url)


def rebuild(
    captured: Captured, folder: Path, *, url: str | None = None, into: str | None = None, rows: str = ""
) -> Rebuilt:
    """As a restore does, up to and with the hand-over.

    Args:
        captured: the schema.
        folder: for temporary files; that of `capture` will do.
        url: names the server and the role, if they are others.
        into: the name that the database gets.
        rows: a script in place of the load.
    """
    database = open_database(DatabaseAddress.from_url(url or captured.url))
    staging = database.stage(captured.schema, into, 1)
    if rows:
        with psycopg.connect(staging.address.url()) as connection:
            connection.execute(rows.encode())
    staging.finish([], [])
    with open_database(staging.address).view(folder, 1) as view:
        native = NativeSchema.model_construct(engine="postgresql")
        manifest = Manifest.model_construct(sequences=(), findings=(), engine="postgresql", native_schema=native)
        structure = check_structure(
            manifest, captured.schema, view, open_database(staging.address), folder / "schema-back", staging.left_out
        )
    name = into or f"{database.address.name}_rebuilt"
    staging.keep_as(name)
    made = database.address.renamed(name).url()
    return Rebuilt(made, (*staging.notes, *structure.notes), staging, structure.checks)


def differing(schema: CapturedSchema, staging: StagingDatabase, folder: Path) -> list[StructureCheck]:
    """What the product's own validation finds different in a database that was made of this schema."""
    native = NativeSchema.model_construct(engine="postgresql")
    manifest = Manifest.model_construct(sequences=(), findings=(), engine="postgresql", native_schema=native)
    database = open_database(staging.address)
    with database.view(folder, 1) as view:
        structure = check_structure(manifest, schema, view, database, folder / "schema-back", staging.left_out)
    return [check for check in structure.checks if check.expected != check.found]


def said_by_pg_dump(url: str) -> list[str]:
    """Everything pg_dump says of a database and its schema, the database's name left out, the roles of a policy in one order.

    pg_dump writes these roles in the order of the catalogue, where a role made again may take another's place. One that is older than
    the server writes the versions of columns, which are others in each database.
    """
    done = subprocess.run(
        ["pg_dump", "--create", "--schema-only", "--dbname", url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    name = url.rpartition("/")[2]
    lines = [
        line
        for line in done.stdout.split("\n")
        if line and not line.startswith(("\\", "--")) and "SET (pg_attver=" not in line
    ]
    lines = [re.sub(rf"\b{re.escape(name)}\b", "THE_DATABASE", line) for line in lines]
    return [
        re.sub(r"(?<= TO ).+?(?= USING | WITH |;$)", _sorted_roles, line) if "CREATE POLICY" in line else line
        for line in lines
    ]


def _sorted_roles(found: re.Match[str]) -> str:
    return ", ".join(sorted(found[0].split(", ")))


@contextmanager
def roles(server_url: str, *definitions: str) -> Iterator[None]:
    """Roles, which are a whole server's, for the length of a test: `roles(url, "reader", "owner LOGIN")`."""
    names = [definition.split(" ", 1)[0] for definition in definitions]
    with psycopg.connect(server_url, autocommit=True) as connection:
        for definition in definitions:
            connection.execute(f"CREATE ROLE {definition}".encode())
        try:
            yield
        finally:
            for name in names:
                _drop(connection, server_url, name)


def drop_role(server_url: str, name: str) -> None:
    """What a server without that role looks like; the database that knew it is dropped before."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        _drop(connection, server_url, name)


def _drop(connection: psycopg.Connection[tuple[object, ...]], server_url: str, name: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name.strip('"'),)).fetchone() is None:
        return
    for (database,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall():
        url = f"{server_url.rpartition('/')[0]}/{database}"
        with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as there:
            there.execute(f"DROP OWNED BY {name} CASCADE".encode())
    connection.execute(f"DROP ROLE {name}".encode())
