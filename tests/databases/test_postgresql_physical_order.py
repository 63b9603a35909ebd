"""A reorganised PostgreSQL table returns its rows in another order, and has the same proof."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.extract import extract_table
from edms_tasks.inventory.natural_keys import derive_candidates
from edms_tasks.keys.checking import check_keys
from edms_tasks.manifest import TableEntry
from edms_tasks.proof import order_choice
from edms_tasks.proof.table_proof import Measurement, measure
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.serialize import serialize_table

TABLES = {
    "by_number": "CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz NOT NULL, v numeric, x double precision)",
    "by_uuid": "CREATE TABLE t (id uuid PRIMARY KEY, at timestamptz NOT NULL, v numeric, x double precision)",
    "without_key": "CREATE TABLE t (id bigint, at timestamptz NOT NULL, v numeric, x double precision)",
}
ROWS = {
    "by_number": "n",
    "by_uuid": "md5(n::text)::uuid",
    "without_key": "n % 20",  # with rows that are equal
}
REORGANISED = {
    "clustered": ("CREATE INDEX backwards ON t (x, id)", "CLUSTER t USING backwards", "DROP INDEX backwards"),
    "rewritten": ("UPDATE t SET x = x WHERE x < -0.5", "DELETE FROM t WHERE false", "VACUUM FULL t"),
    "loaded in reverse": (
        "CREATE TABLE other AS SELECT * FROM t ORDER BY at DESC, v",
        "TRUNCATE t",
        "INSERT INTO t SELECT * FROM other",
        "DROP TABLE other",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_rows_in_another_physical_order_have_the_same_proof(
    kind: str, postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_choice, "_LARGE", 10)
    same = "n % 20" if kind == "without_key" else "n"
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(TABLES[kind].encode())
        connection.execute(
            f"INSERT INTO t SELECT {ROWS[kind]}, '2026-01-01'::timestamptz + {same} * interval '1 second', "
            f"({same})::numeric / 8, sin({same}) FROM generate_series(1, 400) n".encode()
        )
    entry, orders = _proved(postgres_database, tmp_path), {}
    assert len(entry.blocks or ()) > 3
    assert entry.ordered_by == {"by_number": ("id",), "by_uuid": ("at", "id"), "without_key": ()}[kind]

    for name, statements in REORGANISED.items():
        with psycopg.connect(postgres_database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
            orders[name] = connection.execute("SELECT id FROM t").fetchall()
        raw = _read(postgres_database, tmp_path / name, entry)
        with open_workspace(tmp_path / name / "workspace", memory_limit_mb=64, threads=1) as workspace:
            assert measure(entry, raw, workspace) == Measurement(entry.state.proof), name
    assert len({str(order) for order in orders.values()}) == 3, "otherwise nothing was reorganised"

    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(b"UPDATE t SET x = '-0.0' WHERE v = 1")
    raw = _read(postgres_database, tmp_path / "changed", entry)
    with open_workspace(tmp_path / "changed" / "workspace", memory_limit_mb=64, threads=1) as workspace:
        assert measure(entry, raw, workspace).proof not in (None, entry.state.proof)


def _proved(url: str, folder: Path) -> TableEntry:
    database = open_database(DatabaseAddress.from_url(url))
    (folder / "view").mkdir()
    with database.view(folder / "view", 1) as view:
        tables = {table.id: table for table in view.tables()}
        candidates, _ = derive_candidates(tables, {}, {})
        (table,) = [table.model_copy(update={"key_candidates": candidates[table.id]}) for table in tables.values()]
        raws = {table.id: extract_table(view, table, folder / "raw", 50)}
    with open_workspace(folder / "workspace", memory_limit_mb=64, threads=1) as workspace:
        made = serialize_table(table, raws[table.id], check_keys([table], raws, workspace), folder / "made", 50)
    return made.entry(table, chunks=())


def _read(url: str, folder: Path, entry: TableEntry) -> RawTable:
    folder.mkdir()
    (folder / "view").mkdir()
    with open_database(DatabaseAddress.from_url(url)).view(folder / "view", 1) as view:
        return extract_table(view, entry.table, folder / "raw", 60)
