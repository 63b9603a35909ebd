"""An encrypted repository from the first backup to a restore and a merge, with the recovery key here and away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import tomlkit

from edms_tasks.errors import CommandError, DamagedRepository, RepositorySealed, SettingsError
from edms_tasks.files.edms_settings_files import write_config_files
from edms_tasks.manifest import ConfigFile
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from flows.config_files import restore_config_files
from flows.listing import list_snapshots
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect, run_merge, run_verify


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


@pytest.mark.long
def test_files_of_settings_come_back_before_the_edms_works(protected: Protected, tmp_path: Path) -> None:
    secret, missing = tmp_path / "etc" / ".env", tmp_path / "etc" / "missing"
    secret.parent.mkdir()
    secret.write_bytes(b"SECRET_KEY=s3cr3t\0\xff")
    secret.chmod(0o640)
    _set(protected, files={"config": [str(secret), str(missing)]})

    result = protected.backup()

    assert result.verified
    found = [one for one in result.manifest.findings if one.code == "config-file-not-stored"]
    assert [one.subject for one in found] == [str(missing)]
    assert not [path for path in protected.repository.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert run_verify(protected.settings, structure=True).success
    stored = Repository.open(protected.settings.repository).stored_name(result.manifest.config_files[0].object)
    whole = (protected.repository / stored).read_bytes()
    (protected.repository / stored).unlink()
    (problem,) = run_verify(protected.settings, structure=True).problems
    assert str(secret) in problem
    (protected.repository / stored).write_bytes(whole)
    _set(protected, edms={"project": str(tmp_path / "gone")})
    written = restore_config_files(protected.settings, result.snapshot_id, tmp_path / "out")
    assert (written.files, written.modes) == ((tmp_path / "out" / str(secret)[1:],), (0o640,))
    assert written.files[0].read_bytes() == b"SECRET_KEY=s3cr3t\0\xff"
    assert written.files[0].stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="there already"):
        restore_config_files(protected.settings, result.snapshot_id, tmp_path / "out")


def test_files_of_settings_are_refused_where_everybody_could_read_them(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    plain = protect(edms_factory("sqlite", documents=5, seed=1), tmp_path)
    _set(plain, files={"config": [str(plain.config)]})
    with pytest.raises(SettingsError, match="not encrypted"):
        plain.backup()
    assert not plain.repository.exists()


@pytest.mark.parametrize("path", ["../x", "/../x", "/a/../../x", "relative", "/", "", "/a\0b"])
def test_a_path_in_a_manifest_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    repository = Repository.create(RepositorySettings(url=str(tmp_path / "repository")))
    hostile = ConfigFile(path=path, mode=0o600, object=repository.put_bytes(b"x"))
    with pytest.raises(DamagedRepository, match="cannot be one"):
        write_config_files(repository, [hostile], tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["repository"]


def _set(protected: Protected, **sections: dict[str, object]) -> None:
    document = tomlkit.parse(protected.config.read_text(encoding="utf-8"))
    for section, values in sections.items():
        table = document.setdefault(section, tomlkit.table())
        table.update(values)
    protected.config.write_text(tomlkit.dumps(document), encoding="utf-8")


@pytest.mark.long
def test_a_merge_makes_its_safety_snapshot_in_the_encrypted_repository(protected: Protected) -> None:
    snapshot = protected.backup()
    change(protected.edms, "changed since")

    result = run_merge(protected.settings, snapshot=snapshot.snapshot_id)

    assert result.success
    listed = list_snapshots(protected.settings)
    assert [one.tag for one in listed.snapshots][-1] == f"before-merge-of-{snapshot.snapshot_id[:12]}"
    assert not listed.problems
    assert protected.verify().success
