"""A snapshot that was made is reported as made, whatever fails afterwards; and its order and completeness are told by every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from edms_tasks.errors import AnotherRepository, UndeterminedSnapshot
from edms_tasks.repository import Repository
from flows.cli.app import app
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, protect


@pytest.fixture
def protected(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> Protected:
    return protect(edms_factory("sqlite", documents=5), tmp_path)


def test_a_failure_after_the_manifest_is_a_note(protected: Protected) -> None:
    # Files in the place of folders: not even root can write below them.
    work = protected.settings.workdir
    work.mkdir()
    (work / "last").write_text("in the way")
    Repository.create(protected.settings.repository)
    (protected.repository / "heads").write_text("in the way")

    result = protected.backup()

    assert result.verified
    assert len([note for note in result.notes if note.startswith("The snapshot is made; ")]) == 2, result.notes
    assert protected.restore(
        into=str(protected.config.parent / "copy.sqlite3"), into_files=protected.config.parent / "files"
    ).success


@pytest.mark.long
def test_indexes_of_rows_of_an_earlier_release_are_removed_and_nothing_else(protected: Protected) -> None:
    rows = protected.settings.workdir / "rows"
    rows.mkdir(parents=True)
    (rows / "stray").write_text("somebody's")
    (rows / ("0" * 64)).mkdir()

    result = protected.backup()

    assert (result.verified, [note for note in result.notes if "made;" in note]) == (True, [])
    assert [path.name for path in rows.iterdir()] == ["stray"]


@pytest.mark.long
def test_a_night_on_which_the_newest_was_removed_and_the_disk_was_not_there(protected: Protected) -> None:
    first = protected.backup()
    second = protected.backup()
    assert (first.manifest.number, second.manifest.number) == (1, 2)
    assert second.manifest.previous == first.snapshot_id
    assert second.manifest.identity is not None
    assert second.manifest.identity.database == str(protected.edms.database_path)

    manifest = protected.repository / "snapshots" / f"{second.snapshot_id}.json"
    manifest.rename(manifest.with_name("away"))
    with pytest.raises(UndeterminedSnapshot, match=second.snapshot_id[:12]):
        protected.restore("latest")
    verified = protected.verify()
    assert not verified.success
    assert any(second.snapshot_id[:12] in problem for problem in verified.problems)
    listed = _edms_backup(protected, "list", "--json")
    assert listed.exit_code == 1
    assert json.loads(listed.stdout)["expected"] == 2

    manifest.with_name("away").rename(manifest)
    plain = _edms_backup(protected, "list")
    assert (plain.exit_code, plain.stderr) == (0, "")

    protected.repository.rename(protected.repository.with_name("unplugged"))
    with pytest.raises(AnotherRepository, match="does not exist"):
        protected.backup()
    assert not protected.repository.exists()


def _edms_backup(protected: Protected, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(protected.config), *arguments])
