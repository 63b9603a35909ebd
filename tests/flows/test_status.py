"""`status` says whether there is a backup to rely on, and is not to be satisfied with less."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import CommandError, EdmsBackupError
from edms_tasks.repository import Repository
from edms_tasks.repository.growth import growth_of
from flows.cli.app import app
from flows.status import Status, read_status
from tests.backed_up import BackedUpSystems
from tests.running import Protected

pytestmark = pytest.mark.usefixtures("edms_asked_once")

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


def test_a_repository_that_is_gone_is_one_line_for_monitoring_too(protected: Protected) -> None:
    shutil.rmtree(protected.settings.repository.url)

    told = CliRunner().invoke(app, ["--config", str(protected.config), "status"])

    assert told.exit_code not in (0, 1)
    (line,) = told.stdout.splitlines()
    assert line.startswith("NOT OK: it is not known how the backups are.")
    assert "fix:" in told.stderr


def test_a_disk_that_will_soon_be_full_is_said_before(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.status.free_bytes", lambda _: 3_000_000_000)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    points = [(at + timedelta(days=day), 10**9 * day) for day in range(5)]
    monkeypatch.setattr("flows.status.recent_growth", lambda _, free: growth_of(points, free))

    found = read_status(protected.settings, now=at + timedelta(days=4), max_age="99y")

    assert [one for one in found.problems if "full in 3 days" in one and "3.0 GB left" in one]
    assert found.filling


def test_an_old_one_is_not(protected: Protected) -> None:
    assert status(protected, hours=25).success
    late = status(protected, hours=27)
    assert late.problems == ("The newest snapshot is older than 1 day 2 h.",)
    assert status(protected, hours=27, max_age="2d").success


@pytest.mark.long
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


def test_a_snapshot_that_verify_read_since_is_well(protected: Protected) -> None:
    """What the advice says ends what it is about."""
    log = Repository.open(protected.settings.repository).log
    newest = status(protected).snapshot
    log.append("backup", "success", version="1", snapshot=newest, facts={"verified": False})
    for outcome, level, read in (
        ("success", "structure", [newest]),
        ("success", "all", ["f" * 64]),
        ("success", "all", 7),
        ("failed", "all", [newest]),
    ):
        log.append("verify", outcome, version="1", snapshot=newest, facts={"level": level, "newest": read})
        assert status(protected).verified is False

    assert protected.verify().success
    assert status(protected).verified is True and status(protected).success


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


def test_damage_that_a_verification_found_is_not_well_until_a_backup_has_mended_it(protected: Protected) -> None:
    objects = [path for path in (protected.repository / "objects").rglob("*") if path.is_file()]
    for path in objects:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert status(protected).success  # nobody has looked yet
    assert not protected.verify().success
    assert any("were found damaged" in problem for problem in status(protected).problems)

    made = protected.backup()

    assert made.verified
    assert made.objects_read == len(made.manifest.objects())  # it read back all that it wrote again
    assert status(protected).success
    assert protected.verify(made.snapshot_id).success  # an object that only the earlier snapshot has stays damaged


@pytest.mark.long
def test_objects_that_are_gone_are_not_well_and_what_is_stored_again_is_read_back(protected: Protected) -> None:
    shutil.rmtree(protected.repository / "objects")
    assert any("are missing" in problem for problem in status(protected).problems)
    made = protected.backup()
    assert made.verified
    assert made.objects_read == len(made.manifest.objects())
    assert status(protected).success


def test_a_proof_is_believed_only_if_the_log_has_it(protected: Protected, tmp_path: Path) -> None:
    newest = status(protected).snapshot
    protected.restore(into=str(tmp_path / "copy.sqlite3"), into_files=tmp_path / "files")
    assert status(protected, max_proof_age="1d").success
    for path in (protected.repository / "log").iterdir():
        if '"restore"' in path.read_text():
            path.write_text(path.read_text().replace('"success"', '"failed"'))
    assert not status(protected, max_proof_age="1d").success
    assert newest is not None


def test_a_removed_entry_of_the_log_is_not_well(protected: Protected) -> None:
    protected.verify()
    protected.verify()
    sorted((protected.repository / "log").iterdir())[-2].unlink()
    assert any("log is missing" in problem for problem in status(protected).problems)


def test_a_snapshot_from_the_future_does_not_pass_for_a_young_one(protected: Protected) -> None:
    """A clock that was a day ahead at a backup, or is a day behind now, would hide for a day that no backup is made."""
    found = status(protected, hours=-24)
    assert not found.success
    assert [one for one in found.problems if "in the future" in one and "clock" in one]
    assert status(protected, hours=-0.5).success, "clocks differ a little"
