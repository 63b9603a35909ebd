"""`status` says whether there is a backup to rely on, and is not to be satisfied with less."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edms_tasks.errors import CommandError, EdmsBackupError
from edms_tasks.repository import Repository
from flows.status import Status, read_status
from tests.backed_up import BackedUpSystems
from tests.running import Protected

NOW = datetime.now(UTC)


@pytest.fixture
def protected(backed_up: BackedUpSystems) -> Iterator[Protected]:
    yield backed_up("sqlite").protected


def status(protected: Protected, *, hours: float = 0, **ages: str) -> Status:
    return read_status(protected.settings, now=datetime.now(UTC) + timedelta(hours=hours), **ages)


def test_a_young_snapshot_that_was_read_back_is_well(protected: Protected) -> None:
    found = status(protected)
    assert (found.success, found.verified, found.proved) == (True, True, None)
    assert found.line.startswith("OK: newest snapshot ")


def test_an_old_one_is_not(protected: Protected) -> None:
    assert status(protected, hours=25).success
    late = status(protected, hours=27)
    assert late.problems == ("The newest snapshot is older than 26 h.",)
    assert status(protected, hours=27, max_age="2d").success


def test_no_proof_is_no_proof_if_one_is_asked_for(protected: Protected, tmp_path: Path) -> None:
    assert status(protected, max_proof_age="30d").problems == ("No restore has proved a snapshot for 30 days.",)
    protected.restore(into=str(tmp_path / "copy.sqlite3"), into_files=tmp_path / "files")
    proved = status(protected, max_proof_age="30d")
    assert proved.success and proved.proved is not None
    assert not status(protected, hours=31 * 24, max_age="5w", max_proof_age="30d").success


def test_a_backup_that_failed_since_is_said(protected: Protected) -> None:
    whole = protected.edms.database_path.read_bytes()
    protected.edms.database_path.write_bytes(b"not a database" * 1000)
    with pytest.raises(EdmsBackupError):
        protected.backup()
    found = status(protected)
    assert not found.success
    assert "The last backup failed" in found.line
    protected.edms.database_path.write_bytes(whole)
    protected.backup()
    assert status(protected).success


def test_a_snapshot_that_was_not_read_back_is_not_well(protected: Protected) -> None:
    newest = status(protected).snapshot
    Repository.open(protected.settings.repository).log.append(
        "backup", "failed", version="1", snapshot=newest, facts={"verified": False}
    )
    assert any("was not read back" in problem for problem in status(protected).problems)


def test_a_missing_or_damaged_newest_one_is_not_well(protected: Protected) -> None:
    newest = status(protected).snapshot
    path = protected.repository / "snapshots" / f"{newest}.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert not status(protected).success
    path.unlink()
    assert not status(protected).success


@pytest.mark.parametrize("age", ["26", "h", "-1h", "1x"])
def test_an_age_is_a_duration(protected: Protected, age: str) -> None:
    with pytest.raises(CommandError, match="no age"):
        status(protected, max_age=age)
