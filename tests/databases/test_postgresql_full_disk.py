"""A server whose disk is full while rows are loaded. The server's refusal is a mock: its disk is the machine's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from edms_tasks.errors import NoSpace
from tests.backed_up import BackedUpSystems
from tests.running import run_restore


def test_a_restore_that_finds_the_servers_disk_full_says_so_and_changes_nothing(
    backed_up: BackedUpSystems, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    protected = backed_up("postgresql").protected

    def full(*_: Any, **__: Any) -> int:
        raise psycopg.errors.DiskFull('could not extend file "base/16517/16564": No space left on device')

    monkeypatch.setattr("edms_tasks.databases.postgresql.table_loading.copy_table", full)
    with pytest.raises(NoSpace) as raised:
        run_restore(protected.settings)

    assert "No space left on device" in raised.value.why
    with psycopg.connect(protected.edms.database_url) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE '%staging%'").fetchall()
        rows = connection.execute("SELECT count(*) FROM django_migrations").fetchone()
    assert left == [] and rows is not None and rows[0] > 0
