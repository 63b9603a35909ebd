"""An encrypted repository from the first backup to a restore and a merge, with the recovery key here and away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import RepositorySealed
from flows.listing import list_snapshots
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect, run_merge


@pytest.fixture
def protected(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> Protected:
    return encrypt(protect(edms_factory("sqlite", documents=20, seed=1), tmp_path))


def change(edms: ReferenceEdms, title: str) -> None:
    with closing(sqlite3.connect(edms.database_path)) as database:
        database.execute(
            "UPDATE documents_document SET title = ? WHERE id = (SELECT min(id) FROM documents_document)", [title]
        )
        database.commit()


def carry_away(protected: Protected) -> Path:
    """Take the recovery key away from the machine; returns where it is now."""
    away = protected.config.parent / "in-the-safe"
    (protected.config.parent / "recovery-key").rename(away)
    return away


def test_backups_without_the_recovery_key_are_restored_with_it(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = protected.backup()
    away = carry_away(protected)
    change(protected.edms, "first change")
    (protected.edms.media / "new.txt").write_bytes(b"new")
    second = protected.backup()
    third = protected.backup()

    assert first.verified and second.verified and third.verified
    assert not [
        one for one in second.manifest.findings if one.code in ("previous-rows-unusable", "file-index-unusable")
    ]
    # What is unchanged was found to be so without reading the repository.
    assert third.objects_read == 0
    assert set(third.manifest.objects()) == set(second.manifest.objects())
    assert len(set(second.manifest.objects()) - set(first.manifest.objects())) <= 4  # a chunk, a pack, an index
    assert [one.id for one in list_snapshots(protected.settings).snapshots][-1] == third.snapshot_id
    with pytest.raises(RepositorySealed):
        protected.restore()

    before = picture(protected.edms)
    protected.edms.database_path.unlink()
    for path in protected.edms.media.rglob("*"):
        if path.is_file():
            path.unlink()
    monkeypatch.setenv("EDMS_BACKUP__REPOSITORY__IDENTITY", str(away))
    assert protected.verify().success
    assert protected.restore().success
    assert differences(before, picture(protected.edms)) == []


def test_a_merge_makes_its_safety_snapshot_in_the_encrypted_repository(protected: Protected) -> None:
    snapshot = protected.backup()
    change(protected.edms, "changed since")

    result = run_merge(protected.settings, snapshot=snapshot.snapshot_id)

    assert result.success
    listed = list_snapshots(protected.settings)
    assert [one.tag for one in listed.snapshots][-1] == f"before-merge-of-{snapshot.snapshot_id[:12]}"
    assert not listed.problems
    assert protected.verify().success
