"""Whoever can write to the storage has no key: entries that they append to the log are no proof of anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import PruneRefused
from edms_tasks.repository import Repository
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings, Settings
from flows import keys, marks
from flows.audit_trail import missing_reports, read_audit_trail
from flows.auditing.bundle import bundle_evidence
from flows.dashboard.figures import collect
from flows.drilling.drilled_snapshot import choose_for_drill
from flows.drilling.recovery_point import recovery_point
from flows.prune import prune
from flows.requests import DrillRequest, PruneRequest
from flows.running.run import Run
from flows.status import Status, read_status
from tests.repository.conftest import encrypted_settings
from tests.repository.encrypted import settings_of
from tests.retention.library import NOON, Library

_NEWEST = NOON + timedelta(days=1)


class Signed:
    """An encrypted repository with two snapshots, and an intruder who can write to its storage."""

    def __init__(self, place: RepositorySettings, folder: Path) -> None:
        self.library = Library(place, folder / "work")
        self.snapshots = [self.library.add(day) for day in range(2)]
        self.log = self.library.repository.log
        self.log.append("backup", "success", version="1", snapshot=self.snapshots[1], facts={"verified": False})
        self._intruder = place.model_copy(update={"write_key": None, "copies": None})

    @property
    def settings(self) -> Settings:
        return settings_of(self.library.settings).model_copy(
            update={"edms": settings_of(self.library.settings).edms.model_copy(update={"id": "ours"})}
        )

    def forge(self, event: str, outcome: Any = "success", snapshot: str | None = None, **facts: Any) -> None:
        log = Repository.open(self._intruder).log
        log.append(event, outcome, version="1", edms="ours", snapshot=snapshot, facts=facts)

    def status(self) -> Status:
        return read_status(self.settings, now=_NEWEST)


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    place = encrypted_settings(tmp_path)
    make_encrypted(place, "plant-1")
    return Signed(place, tmp_path)


@pytest.mark.parametrize("outcome", ["success", "failed"])
def test_a_snapshot_that_was_not_read_back_stays_one(signed: Signed, outcome: str) -> None:
    before = signed.status()
    signed.forge("backup", outcome, signed.snapshots[1], verified=True)

    assert before.verified is False
    assert signed.status().verified is False


def test_a_failed_backup_is_not_hidden(signed: Signed) -> None:
    signed.log.append("backup", "failed", version="1", edms="ours", facts={"what": "No room."})
    signed.forge("backup", "failed", signed.snapshots[0])
    signed.forge("backup", "success", signed.snapshots[1], verified=True)

    # The entry's time is that of this test, long after the snapshot's.
    assert any("No room." in one for one in signed.status().problems)


def test_a_failure_that_nobody_signed_is_said(signed: Signed) -> None:
    """A machine that lost its key cannot sign."""
    signed.forge("backup", "failed", what="No key.")
    assert any("No key." in one for one in signed.status().problems)


def test_no_day_has_a_proof_or_a_verified_snapshot_in_the_evidence(signed: Signed, tmp_path: Path) -> None:
    for event in ("restore", "drill"):
        signed.forge(event, snapshot=signed.snapshots[1], verdict="proved")
    signed.forge("backup", "failed", signed.snapshots[1], verified=True)
    today = datetime.now(UTC).date().isoformat()

    made = bundle_evidence(signed.settings, today, today, tmp_path / "bundle")

    assert (made.gaps.unproved, made.gaps.unverified) == ((today,), (today,))


def test_a_missing_report_stays_missing(signed: Signed) -> None:
    report = {"json": {"sha256": "1" * 64, "size": 1}, "page": {"sha256": "2" * 64, "size": 1}}
    signed.log.append("backup", "success", version="1", facts={"report": report})
    before = missing_reports(signed.library.repository, signed.log.check().entries)
    signed.forge("prune", "failed", reports_before=(datetime.now(UTC) + timedelta(days=1)).isoformat())

    entries = Repository.open(signed.library.settings).log.check().entries

    assert len(before) == 2
    assert missing_reports(signed.library.repository, entries) == before


def test_the_trail_and_the_dashboard_say_which_entries_count(signed: Signed) -> None:
    signed.forge("restore", snapshot=signed.snapshots[1], verdict="proved")
    path = Path(signed.library.settings.url) / "log" / "000000000001.json"
    path.write_text(path.read_text().replace('"verified": false', '"verified": true'))

    trail = read_audit_trail(signed.settings)
    dashboard = collect([signed.settings]).dashboard

    assert trail.signed == set()
    assert [one.what for one in dashboard.runs] == [
        "without a signature that counts",
        "proved, without a signature that counts",
    ]
    assert any("its signature is not right" in one for one in dashboard.repositories[0].problems)


def test_a_drill_that_nobody_signed_takes_no_snapshot_out_of_the_choice(signed: Signed) -> None:
    signed.forge("drill", snapshot=signed.snapshots[1], verdict="proved")
    chosen = choose_for_drill(signed.settings, DrillRequest(random=True))
    assert "2 snapshots that no drill" in chosen.how


def test_backups_that_nobody_signed_do_not_narrow_the_widest_gap(signed: Signed) -> None:
    now = datetime.now(UTC)
    before = recovery_point(signed.settings, now)
    signed.forge("backup", "failed", "3" * 64)
    signed.forge("drill", rpo_seconds=1)
    assert recovery_point(signed.settings, now) == before


def test_a_hold_that_was_deleted_is_missed_by_every_machine(signed: Signed, tmp_path: Path) -> None:
    marks.hold(signed.settings, signed.snapshots[0], reason="case 7", by="Ann")
    (record,) = signed.library.repository.records.read().by_id
    signed.library.repository.backend.remove(f"records/{record}.json")
    elsewhere = signed.settings.model_copy(update={"workdir": tmp_path / "elsewhere"})

    assert any(f"records/{record}.json is missing" in one for one in read_audit_trail(elsewhere).problems)
    with pytest.raises(PruneRefused, match="is missing"):
        prune.fn(Run(elsewhere), PruneRequest(keep_last=1))
    assert marks.give_up_lost_records(elsewhere, reason="it is lost") == (record,)
    assert read_audit_trail(elsewhere).problems == ()


def test_a_hold_and_its_end_are_in_the_trail(signed: Signed) -> None:
    marks.hold(signed.settings, signed.snapshots[0], reason="case 7", by="Ann")
    marks.release(signed.settings, signed.snapshots[0], reason="closed", by="Bob")
    marks.tag(signed.settings, signed.snapshots[0], "kept")
    marks.tag(signed.settings, signed.snapshots[0], "kept", remove=True)

    trail = read_audit_trail(signed.settings)

    said = [(one.event, one.snapshot, one.number in trail.signed) for one in trail.entries[1:]]
    assert said == [(event, signed.snapshots[0], True) for event in ("hold", "release", "tag", "untag")]
    assert trail.problems == ()


def test_a_revoked_machine_that_counts_again_is_said(signed: Signed, tmp_path: Path) -> None:
    """Whoever stole its key, and can write to the storage, puts the files of the keys back."""
    keys.make_write_key(signed.settings, tmp_path / "plant-2", "plant-2")
    holders = {path: path.read_bytes() for path in (Path(signed.library.settings.url) / "keys").iterdir()}
    keys.revoke_machine(signed.settings, "plant-2")
    assert read_audit_trail(signed.settings).problems == ()
    for path, data in holders.items():
        path.write_bytes(data)

    (problem,) = read_audit_trail(signed.settings).problems

    assert "plant-2 was revoked" in problem


def test_snapshots_that_the_log_does_not_name_are_said(signed: Signed) -> None:
    (note,) = (one for one in read_audit_trail(signed.settings).notes if "does not name" in one)
    assert "1 snapshot of 2" in note and signed.snapshots[0][:12] in note


def test_a_pruned_snapshot_that_is_there_again_is_said(signed: Signed) -> None:
    place = Path(signed.library.settings.url)
    before = {path: path.read_bytes() for path in place.rglob("*") if signed.snapshots[0] in path.name}
    assert signed.library.prune(last=1).removed == (signed.snapshots[0],)
    for path, data in before.items():
        path.write_bytes(data)

    assert any(signed.snapshots[0][:12] in one and "is there" in one for one in read_audit_trail(signed.settings).notes)
