"""A DuckDB instance that is used again shows nothing of its earlier use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.scratch import duckdb_instance
from edms_tasks.scratch.duckdb_instance import cursor_of, open_instance

Idle = list[tuple[int, duckdb.DuckDBPyConnection]]


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Idle]:
    idle: Idle = []
    monkeypatch.setattr(duckdb_instance, "_idle", idle)
    yield idle
    for _, instance in idle:
        instance.close()


def opened(folder: Path, memory_limit_mb: int = 100) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return open_instance(folder, memory_limit_mb=memory_limit_mb, threads=1, keeps_order=False, caches_files=True)


def test_the_next_database_in_an_instance_is_empty_and_has_its_own_settings(tmp_path: Path, idle: Idle) -> None:
    with opened(tmp_path) as first:
        first.execute("CREATE SCHEMA apart; CREATE TABLE here AS SELECT 1; CREATE TABLE apart.there AS SELECT 1")
        first.execute(
            "CREATE TEMP TABLE passing AS SELECT 1; CREATE VIEW seen AS SELECT 1; SET TimeZone = 'Asia/Tokyo'"
        )

    with (
        open_instance(tmp_path / "2", memory_limit_mb=50, threads=2, keeps_order=True, caches_files=False) as second,
        cursor_of(second) as cursor,
    ):
        assert idle == []  # it is in use
        tables = "SELECT count(*) FROM duckdb_tables() UNION ALL SELECT count(*) FROM duckdb_views() WHERE NOT internal"
        assert second.execute(tables).fetchall() == [(0,), (0,)]
        assert second.execute("SELECT count(*) FROM duckdb_schemas() WHERE schema_name = 'apart'").fetchall() == [(0,)]
        names = ("threads", "memory_limit", "temp_directory", "preserve_insertion_order", "TimeZone")
        asked = ", ".join(f"CAST(current_setting('{name}') AS VARCHAR)" for name in names)
        expected = [("2", "47.6 MiB", str(tmp_path / "2"), "true", "UTC")]
        assert cursor.execute(f"SELECT {asked}").fetchall() == expected
        assert second.execute(f"SELECT {asked}").fetchall() == expected


def test_two_databases_at_the_same_time_are_apart(tmp_path: Path) -> None:
    with opened(tmp_path / "1") as first, opened(tmp_path / "2") as second:
        first.execute("CREATE TABLE t AS SELECT 1 AS a")
        second.execute("CREATE TABLE t AS SELECT 2 AS a")
        with cursor_of(first) as cursor:
            assert cursor.execute("SELECT a FROM t").fetchall() == [(1,)]
        assert second.execute("SELECT a FROM t").fetchall() == [(2,)]


def test_an_instance_is_not_used_again_after_an_error_or_an_overflow(tmp_path: Path, idle: Idle) -> None:
    with pytest.raises(ValueError, match="stop"), opened(tmp_path):
        raise ValueError("stop")
    assert idle == []

    with opened(tmp_path / "overflow", memory_limit_mb=20) as small:
        small.execute("CREATE TABLE t AS SELECT i, CAST(hash(i) AS VARCHAR) AS a FROM range(1000000) r(i)")
        assert any((tmp_path / "overflow").iterdir())
    assert idle == []


def test_an_instance_of_another_process_is_left_alone(
    tmp_path: Path, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path):
        pass
    (parents,) = idle
    monkeypatch.setattr("os.getpid", lambda: -1)

    with opened(tmp_path):
        assert idle == [parents]


def test_an_idle_instance_holds_no_memory(tmp_path: Path, idle: Idle) -> None:
    with opened(tmp_path, memory_limit_mb=300) as instance:
        instance.execute("CREATE TABLE t AS SELECT i, CAST(hash(i) AS VARCHAR) AS a FROM range(1000000) r(i)")
        instance.execute("SELECT count(DISTINCT a) FROM t").fetchall()
        used = _resident_mb()

    assert len(idle) == 1
    assert _resident_mb() < used - 50


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    for value in (1, 2):
        pq.write_table(pa.table({"a": [value]}), path)
        with opened(tmp_path / "overflow") as instance:
            assert instance.execute(f"SELECT a FROM read_parquet('{path}')").fetchall() == [(value,)]
