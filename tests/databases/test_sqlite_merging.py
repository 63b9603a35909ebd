"""A merge's own reads see what its transaction wrote; nobody else does before the commit, and nothing stays without one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.sqlite.merging import merging


def test_a_merge_reads_the_rows_that_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'was there');"
        )

    with merging(DatabaseAddress(engine="sqlite", name=str(path)), tmp_path) as merge:
        (table,) = merge.view().tables()
        assert merge.view().measure(table).rows == 1
        merge.execute("INSERT INTO note VALUES (2, 'written')")
        assert merge.view().measure(table).rows == 2

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM note").fetchall() == [(1,)]
