"""`init` makes an encrypted repository, and finds its keys again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import RepositorySealed
from edms_tasks.repository import Repository
from edms_tasks.settings import load_settings
from flows.cli.app import app
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory, edms_python


@pytest.fixture
def edms(edms_factory: ReferenceEdmsFactory, monkeypatch: pytest.MonkeyPatch) -> ReferenceEdms:
    made = edms_factory("sqlite", documents=5)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


def words(edms: ReferenceEdms, config: Path, repository: Path, *options: str) -> list[str]:
    place = ["--project", str(edms.project), "--settings", "config.settings", "--python", edms_python()]
    return ["init", "--config", str(config), *place, "--repository", str(repository), *options]


def init(edms: ReferenceEdms, config: Path, repository: Path) -> dict[str, Any]:
    said = CliRunner().invoke(app, words(edms, config, repository, "--json"))
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_the_keys_are_beside_the_settings_and_are_found_there(edms: ReferenceEdms, tmp_path: Path) -> None:
    config, repository = tmp_path / "edms-backup.toml", tmp_path / "repository"
    first = init(edms, config, repository)
    settings = load_settings(config)
    assert all(check["success"] for check in first["checks"])
    named = edms.project.name.replace("_", "-")  # people type it to approve a restore
    assert re.fullmatch(named + "-[0-9a-f]{6}", settings.edms.id or "")
    assert Repository.open(settings.repository).is_encrypted
    keys = {path.name for path in tmp_path.glob("*-key")}
    assert keys == {"edms-backup.recovery-key", "edms-backup.write-key"}

    config.unlink()  # the settings file is lost
    assert all(check["success"] for check in init(edms, config, repository)["checks"])
    assert load_settings(config).repository == settings.repository

    elsewhere = tmp_path / "elsewhere"  # another machine, first without keys, then with the recovery key
    elsewhere.mkdir()
    refused = init(edms, elsewhere / "edms-backup.toml", repository)
    assert [check["error"]["error"] for check in refused["checks"] if check["error"]] == ["repository-sealed"]
    (elsewhere / "edms-backup.recovery-key").write_bytes((tmp_path / "edms-backup.recovery-key").read_bytes())
    found = init(edms, elsewhere / "edms-backup.toml", repository)
    assert all(check["success"] for check in found["checks"])
    there = Repository.open(load_settings(elsewhere / "edms-backup.toml").repository)
    assert there.is_readable
    with pytest.raises(RepositorySealed):
        there.require_write_key()


def test_a_repository_is_not_encrypted_only_if_that_is_asked_for(edms: ReferenceEdms, tmp_path: Path) -> None:
    config, repository = tmp_path / "edms-backup.toml", tmp_path / "repository"
    said = CliRunner().invoke(app, words(edms, config, repository, "--no-encryption"))
    assert "NOT ENCRYPTED" in said.stdout
    assert not Repository.open(load_settings(config).repository).is_encrypted
    assert not list(tmp_path.glob("*-key"))
