"""Records of holds, tags and prunes: who did what, signed where snapshots are, and asked of a remote repository once."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edms_tasks.encryption.signing import new_signing_key
from edms_tasks.errors import PruneRefused, RepositorySealed
from edms_tasks.lineage.record_proved import record_proved
from edms_tasks.lineage.snapshot_history import history_of
from edms_tasks.pruning.mark_snapshots import hold
from edms_tasks.pruning.prune_plan import Wishes, plan_prune
from edms_tasks.repository import Repository, store
from edms_tasks.repository.proved_snapshots import ProvedSnapshot, write_proved
from edms_tasks.repository.records import NamedSnapshot
from edms_tasks.repository.retention_rules import Rules
from edms_tasks.settings import RepositorySettings
from tests.lineage.conftest import this_edms
from tests.retention.library import NOON, NOW, Faults, FaultyBackend, Library


def test_records_say_who_pruned_what_and_why(library: Library) -> None:
    first = library.add(0)
    library.add(1)
    library.prune(last=1)
    (record,) = [one for one in library.repository.records.read().by_id.values() if one.kind == "pruned"]
    assert (record.by, record.reason, [one.id for one in record.snapshots]) == ("Ann", "in a test", [first])
    assert [one.number for one in record.snapshots] == [1]
    assert record.at > datetime(2026, 1, 1, tzinfo=UTC)


def test_where_snapshots_are_signed_a_forged_record_is_none(signed: Library, tmp_path: Path) -> None:
    """Someone who can write there, and has no key, removes a snapshot and records it as pruned."""
    made = [signed.add(day) for day in range(4)]
    signed.prune(last=3)
    (true,) = [one for one in signed.repository.records.read().by_id.values() if one.kind == "pruned"]
    forged = true.model_copy(update={"snapshots": (NamedSnapshot(id=made[1], edms="ours", created=NOON, number=2),)})
    signed.store.remove(signed.store.path_of_snapshot(made[1]))
    for record in (forged, forged.model_copy(update={"signer": "", "signature": "", "machine": ""})):
        data = record.to_json()
        name = f"records/{hashlib.sha256(data).hexdigest()}.json"
        signed.repository.backend.write(name, [data])
        assert [one.id for one in history_of(signed.repository, this_edms("ours")).chain.missing if one.id] == [made[1]]
        assert signed.repository.records.read().unreadable == (name,)
        signed.repository.backend.remove(name)


def test_where_snapshots_are_signed_a_forged_proof_keeps_no_snapshot(signed: Library) -> None:
    """Someone who can write there, and has no key, names another snapshot as the one that was proved."""
    made = [signed.add(day) for day in range(4)]
    assert write_proved(signed.repository, proof_of(made[1], 2))
    ((name, _),) = signed.repository.backend.names("proved")
    true = ProvedSnapshot.model_validate_json(signed.repository.backend.read(name, 10_000))
    key = signed.repository.keys.write_key
    assert key is not None
    elsewhere = true.model_copy(update={"repository": "0" * 32}).signed_with(key)
    forged = true.model_copy(update={"snapshot": made[0]})
    for record in (
        forged,
        proof_of(made[0], 1),
        elsewhere,
        forged.signed_with(key.model_copy(update={"signing_key": new_signing_key()})),
    ):
        signed.repository.backend.write(name, [record.model_dump_json().encode()])
        plan = signed.plan(last=1)
        assert [fate.id for fate in plan.fates if fate.goes] == made[:3]
        assert [note for note in plan.notes if name in note and "not count" in note]
    assert write_proved(signed.repository, proof_of(made[1], 2))
    plan = signed.plan(last=1)
    assert {fate.id: fate.keeps for fate in plan.fates}[made[1]] == ("proved",)
    assert plan.notes == ()


def test_a_machine_without_a_write_key_leaves_the_signed_proof_alone(signed: Library) -> None:
    made = [signed.add(day) for day in range(2)]
    assert write_proved(signed.repository, proof_of(made[0], 1))
    ((name, _),) = signed.repository.backend.names("proved")
    before = signed.store.read(name)
    reader = Repository.open(signed.settings.model_copy(update={"write_key": None}))
    (note,) = record_proved(reader, made[1], signed.repository.read_manifest(made[1]))
    assert "no write key" in note
    assert signed.store.read(name) == before


def proof_of(snapshot: str, number: int) -> ProvedSnapshot:
    return ProvedSnapshot(edms="ours", snapshot=snapshot, created=NOON, number=number, at=NOW, host="h", how="restore")


def test_without_a_write_key_nothing_is_recorded_where_records_are_signed(signed: Library) -> None:
    first = signed.add(0)
    signed.add(1)
    reader = Repository.open(signed.settings.model_copy(update={"write_key": None}))
    with pytest.raises(RepositorySealed, match="write key"):
        hold(reader, signed.workdir, first, reason="case 7", by="Ann")
    assert signed.repository.records.read().by_id == {}


def test_a_machine_that_cannot_read_the_others_snapshots_prunes_nothing(signed: Library, tmp_path: Path) -> None:
    signed.add(0)
    signed.add(1)
    writer = Repository.open(signed.settings.model_copy(update={"identity": None, "copies": tmp_path / "none"}))
    with pytest.raises(PruneRefused, match="recovery key"):
        plan_prune(writer, this_edms("ours"), Wishes(rules=Rules(last=1)))


def test_a_remote_repository_is_asked_for_each_record_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RepositorySettings(url=f"memory://{tmp_path.name}/backups", copies=tmp_path / "copies")
    library = Library(settings, tmp_path / "work")
    first = library.add(0)
    for number in range(5):
        hold(library.repository, library.workdir, first, reason=f"case {number}", by="Ann")
    faults, opened = Faults(), store.open_backend
    monkeypatch.setattr(store, "open_backend", lambda settings: FaultyBackend(opened(settings), faults))
    again = Library(settings, tmp_path / "work")
    assert len(again.repository.records.read().holds[first]) == 5
    assert [call for call in faults.log if call.startswith("read records/")] == []
    # A copy that was altered is not believed.
    copy = next((tmp_path / "copies").rglob("records/*.json"))
    copy.write_bytes(copy.read_bytes().replace(b"case", b"CASE"))
    assert again.repository.records.read().unreadable == ()
    assert [call for call in faults.log if call.startswith("read records/")] == [f"read records/{copy.name}"]


def test_copies_of_records_are_private_whatever_the_umask(tmp_path: Path) -> None:
    settings = RepositorySettings(url=f"memory://{tmp_path.name}/backups", copies=tmp_path / "copies")
    library = Library(settings, tmp_path / "work")
    before = os.umask(0)
    try:
        hold(library.repository, library.workdir, library.add(0), reason="case 1", by="Ann")
        assert library.repository.records.read().holds
    finally:
        os.umask(before)
    folders = [*(tmp_path / "copies").rglob("records"), *(tmp_path / "copies").rglob("records/*.json")]
    assert len(folders) == 2
    assert [path for path in folders if path.stat().st_mode & 0o077] == []
