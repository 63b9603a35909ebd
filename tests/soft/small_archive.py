"""A small archive on either engine, read by the product with soft references declared: what it counts and stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.extract import extract_table
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.inventory.natural_keys import derive_candidates
from edms_tasks.keys.checking import check_keys
from edms_tasks.keys.table_counts import measure_table
from edms_tasks.manifest import ReferenceState, TableState
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.serialize import serialize_table
from edms_tasks.soft.soft_references import with_declared
from edms_tasks.soft_reference_settings import SoftReferenceSettings


@dataclass(frozen=True)
class Archive:
    """What the product made of a database."""

    tables: dict[str, Table]
    states: dict[str, TableState]
    rows: dict[str, pa.Table]  # as they would be stored
    findings: tuple[Finding, ...]

    def reference(self, table: str, name: str) -> ReferenceState:
        """The counts of one reference."""
        return next(one for one in self.states[table].references if one.name == name)

    def digest(self, table: str) -> str:
        """The content digest: what must not depend on ids."""
        return self.states[table].content_digest or ""

    def column(self, table: str, name: str, by: str = "id") -> dict[Any, Any]:
        """A stored column's values by another's."""
        rows = self.rows[table]
        return dict(zip(rows.column(by).to_pylist(), rows.column(name).to_pylist(), strict=True))


def execute(url: str, *statements: str | tuple[str, Sequence[Any]]) -> None:
    """Run statements, `?` standing for values."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            for statement in statements:
                text, values = (statement, ()) if isinstance(statement, str) else statement
                connection.execute(text, values)
        return
    with psycopg.connect(url) as session:
        for statement in statements:
            text, values = (statement, None) if isinstance(statement, str) else statement
            session.execute(text.replace("?", "%s").encode() if values is not None else text.encode(), values)


def read_archive(url: str, declared: Sequence[dict[str, str]], folder: Path, *, chunk_rows: int = 2) -> Archive:
    """Extract, check keys, serialize; what is measured anew from the same rows must be the same."""
    folder.mkdir(parents=True)
    database = open_database(DatabaseAddress.from_url(url))
    with database.view(folder, 1) as view:
        found = {table.id: table for table in view.tables()}
        described = with_declared(found, [SoftReferenceSettings(**one) for one in declared])
        candidates, _ = derive_candidates(described, {}, {})
        tables = {
            table.id: table.model_copy(update={"key_candidates": candidates[table.id]}) for table in described.values()
        }
        raws = {name: extract_table(view, table, folder / "raw" / name, chunk_rows) for name, table in tables.items()}
    states, rows = {}, {}
    with open_workspace(folder / "workspace", memory_limit_mb=200, threads=1) as workspace:
        keys = check_keys(list(tables.values()), raws, workspace)
        for name, table in tables.items():
            made = serialize_table(table, raws[name], keys, folder / "made" / name, chunk_rows)
            states[name] = measure_table(table, raws[name], keys, digests=True)
            counts = {"exact_digest": None, "content_digest": None, "proof": made.state.proof}
            assert states[name].model_copy(update=counts) == made.state
            written = [pq.read_table(block.new.path) for block in made.blocks if block.new is not None]
            rows[name] = pa.concat_tables(written) if written else pa.table({})
        return Archive(tables, states, rows, keys.findings)
